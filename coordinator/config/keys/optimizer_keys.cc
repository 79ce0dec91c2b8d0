// optimizer_keys.cc -- `optimizer` and the values of its `type`. The
// parameters of each type are in optimizer_param_keys.cc.
#include "coordinator/config/keys/key_rows.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kCompressed =
    "compresses gradients between ranks, and does not go with ZeRO in "
    "DeepSpeed either: use \"AdamW\" or \"Adam\"";
constexpr absl::string_view kWidthScaled =
    "needs the base shapes of the mup package, which a script makes: use "
    "\"AdamW\" with a rate for this width";
constexpr absl::string_view kTorchOnly =
    "is one of torch.optim's that are not supported: use \"AdamW\"";

constexpr KeyEntry kRows[] = {
    {"optimizer", "type", kWord, "", kHonoured, "in any case; see below"},
    {"optimizer", "params", kSection, "", kHonoured, "see the types below"},
    {"optimizer", "legacy_fusion", kFlag, "false", kNoEffect,
     "chooses between two implementations of the same optimizer"},

    {"optimizer.type", "Adam", kAnything, "", kHonoured,
     "decays decoupled, as AdamW does, unless adam_w_mode is false"},
    {"optimizer.type", "AdamW", kAnything, "", kHonoured, "decays decoupled"},
    {"optimizer.type", "Adagrad", kAnything, "", kHonoured,
     "as torch.optim.Adagrad"},
    {"optimizer.type", "Lamb", kAnything, "", kHonoured,
     "with the norms of whole parameters, however they are cut"},
    {"optimizer.type", "Lion", kAnything, "", kHonoured,
     "where the direction is exactly 0, a weight only decays"},
    {"optimizer.type", "Muon", kAnything, "", kHonoured,
     "orthogonalizes whole matrices, however they are cut: those of two or "
     "more dimensions whose names have neither \"embed\" nor \"lm_head\"; "
     "Adam updates the others"},
    {"optimizer.type", "SGD", kAnything, "", kHonoured, "as torch.optim.SGD"},
    {"optimizer.type", "OneBitAdam", kAnything, "", kRefused, kCompressed},
    {"optimizer.type", "ZeroOneAdam", kAnything, "", kRefused, kCompressed},
    {"optimizer.type", "OneBitLamb", kAnything, "", kRefused, kCompressed},
    {"optimizer.type", "MuAdam", kAnything, "", kRefused, kWidthScaled},
    {"optimizer.type", "MuAdamW", kAnything, "", kRefused, kWidthScaled},
    {"optimizer.type", "MuSGD", kAnything, "", kRefused, kWidthScaled},
    {"optimizer.type", "Adadelta", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "Adafactor", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "Adamax", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "ASGD", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "LBFGS", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "NAdam", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "RAdam", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "RMSprop", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "Rprop", kAnything, "", kRefused, kTorchOnly},
    {"optimizer.type", "SparseAdam", kAnything, "", kRefused, kTorchOnly},
};

}  // namespace

absl::Span<const KeyEntry> OptimizerKeys() { return kRows; }

}  // namespace autotp::config
