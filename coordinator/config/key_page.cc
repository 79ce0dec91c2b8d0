#include "coordinator/config/key_page.h"

#include <cmath>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "coordinator/config/auto_values.h"
#include "coordinator/config/key_table.h"

namespace autotp::config {
namespace {

constexpr absl::string_view kIntroduction =
    R"(# The DeepSpeed JSON, key by key

<!-- Made from the key table in coordinator/config/keys; change it there and
     run coordinator_config_test with AUTOTP_UPDATE_GOLDEN=1. -->

Your DeepSpeed file is read as DeepSpeed reads it: comments and trailing commas
pass, `5e8` and `"5e8"` are integers, `bfloat16` is `bf16`. A key that appears
twice is an error at any depth, and so is a key that nobody knows. `--config`
takes a path, the JSON text itself, or the text in base64.

Every key is in one of these states:

* **honoured**: it does what DeepSpeed documents.
* **no effect**: accepted, with a note that says why it changes nothing here;
  no note where the value is DeepSpeed's own default.
* **refused**: an error that says what to do instead. **refused if on**: only
  if the value switches the thing on.

All findings come at once, each with its line. `autotp plan --effective` prints
the configuration that follows, with the origin of every value.

)";

constexpr absl::string_view kCombinations = R"(
## Keys that do not go together

| keys | what is said |
| --- | --- |
| the three batch sizes, which must be micro x accumulation x data-parallel size | `BATCH_SIZE_MISMATCH`, `BATCH_SIZE_MISSING` |
| `autotp_size` and a world that it does not divide | `TENSOR_PARALLEL_SIZE_DOES_NOT_DIVIDE` |
| `autotp_size` and another `tp.tp_size` | `TENSOR_PARALLEL_SIZE_CONFLICT` |
| `autotp_size` 1 and rules | `RULES_WITHOUT_EFFECT` (note) |
| `fp16` and `bf16` both enabled | `FP16_WITH_BF16` |
| `bf16` and `bfloat16` both written | `DUPLICATE_SECTION` |
| `data_types.param_dtype` and another precision | `PARAM_DTYPE_CONFLICT` |
| stage 3, with or without `autotp_size` | `ZERO_STAGE_NOT_SUPPORTED` |
| stage 2, `reduce_scatter`, and `prescale_gradients` or a `gradient_predivide_factor` | `PRESCALE_WITH_ZERO` |
| ZeRO and an optimizer outside DeepSpeed's list, without `zero_allow_untested_optimizer` | `OPTIMIZER_UNTESTED_WITH_ZERO` |
| `total_num_steps` below `warmup_num_steps` | `SCHEDULE_ENDS_IN_WARMUP` (warning) |

## Where this differs from DeepSpeed on purpose

| DeepSpeed | here |
| --- | --- |
| divides the batch by the world, unless a script passes its own mesh | divides by the data-parallel size, world / `autotp_size`; `BATCH_COUNTED_OTHERWISE` notes both numbers |
| ignores unknown keys at the top level, in `optimizer`, `scheduler`, `partition_config` and others | `UNKNOWN_KEY` with the nearest known one |
| has no check for duplicate keys in base64 | duplicates are errors in every form |
| an unknown `preset_model`, rules that match nothing, a spec without patterns: silence | errors or warnings |
| `"auto"` outside some sections ends in a type error | resolved with a note, or refused with the reason |
| numbers, texts and flags convert into each other in some sections | text that reads as a number is one; flags are `true` or `false` |
| `shape` takes `true` as 1 | `WRONG_TYPE` |
| `gather_output` with `shape` is not implemented | allowed |
| `reduce_bucket_size` and `allgather_bucket_size` may be 0 | at least 1 |
| stage 3 passes with `autotp_size` in newer releases | refused |
| divides gradients by the loss scale of the next step, where that has just grown | divides them by the scale that they were made with |
| a step whose gradient is not finite is skipped or taken, by stage and precision | skipped with fp16, and with bf16 if `check_grad_overflow`; else it ends the job |
| `vocab_parallel_lm_head` null follows the tied embedding of the model's plan | null: cut over the vocabulary unless a rule says otherwise; true and false as in DeepSpeed |
| orthogonalizes with Muon what each rank holds of a matrix | whole matrices, however they are cut |
| wants ZeRO for 16-bit masters, and those for 16-bit states | neither is needed |
| rounds shards of columns and rows to `tp_grain_size`, and heads that it takes for columns | columns and rows; heads are whole in any case |
)";

std::string NumberText(double number) {
  if (std::abs(number) < 1e15 && number == std::floor(number)) {
    return absl::StrCat(static_cast<int64_t>(number));
  }
  return absl::StrCat(number);
}

std::string RangeText(absl::string_view name, const KeyType& type) {
  if (std::isinf(type.minimum)) return std::string(name);
  if (std::isinf(type.maximum)) {
    return absl::StrCat(name, ", at least ", NumberText(type.minimum));
  }
  return absl::StrCat(name, ", ", NumberText(type.minimum), " to ",
                      NumberText(type.maximum));
}

std::string TypeText(const KeyType& type) {
  switch (type.kind) {
    case KeyType::Kind::kBoolean:
      return "flag";
    case KeyType::Kind::kInteger:
      return RangeText("integer", type);
    case KeyType::Kind::kNumber:
      return RangeText("number", type);
    case KeyType::Kind::kText:
      return "text";
    case KeyType::Kind::kChoice:
      return absl::StrReplaceAll(type.choices, {{"|", ", "}});
    case KeyType::Kind::kList:
      return "list";
    case KeyType::Kind::kSection:
      return "object";
    case KeyType::Kind::kAnything:
      return "";
  }
  return "";
}

std::string HereText(const KeyEntry& entry) {
  switch (entry.effect) {
    case KeyEffect::kHonoured:
      return entry.text.empty() ? "honoured"
                                : absl::StrCat("honoured: ", entry.text);
    case KeyEffect::kNoEffect:
      return absl::StrCat("no effect: it ", entry.text);
    case KeyEffect::kRefused:
      return absl::StrCat("refused: it ", entry.text);
    case KeyEffect::kRefusedIfEnabled:
      return absl::StrCat("refused if on: it ", entry.text);
  }
  return "";
}

std::string Code(absl::string_view text) {
  return text.empty() ? "" : absl::StrCat("`", text, "`");
}

std::string SectionText(absl::string_view section) {
  const bool values = absl::EndsWith(section, ".type");
  std::string text = section.empty() ? "\n## Top level\n\n"
                     : values
                         ? absl::StrCat("\n## Values of `", section, "`\n\n")
                         : absl::StrCat("\n## `", section, "`\n\n");
  absl::StrAppend(&text, values ? "| value | here |\n| --- | --- |\n"
                                : "| key | takes | default | here |\n"
                                  "| --- | --- | --- | --- |\n");
  for (const KeyEntry& entry : KeyTable()) {
    if (entry.section != section) continue;
    absl::StrAppend(&text, "| ", Code(entry.key));
    if (!values) {
      absl::StrAppend(&text, " | ", TypeText(entry.type), " | ",
                      Code(entry.default_value));
    }
    absl::StrAppend(&text, " | ", HereText(entry), " |\n");
  }
  return text;
}

std::string AutoText() {
  std::string text =
      "\n## `\"auto\"`\n\nHugging Face's trainer fills it in; here nobody "
      "does. It is the default, with a note, but for these:\n\n| key | here "
      "|\n| --- | --- |\n";
  for (const AutoEntry& entry : AutoTable()) {
    absl::StrAppend(
        &text, "| `", entry.section, entry.section.empty() ? "" : ".",
        entry.key, "` | ",
        absl::StrCat(entry.derived ? "derived from " : "refused: it ",
                     entry.text),
        " |\n");
  }
  return text;
}

}  // namespace

std::string KeyPage() {
  std::string page(kIntroduction);
  page.pop_back();  // sections begin with an empty line
  std::vector<absl::string_view> sections;
  for (const KeyEntry& entry : KeyTable()) {
    if (sections.empty() || sections.back() != entry.section) {
      sections.push_back(entry.section);
      page += SectionText(entry.section);
    }
  }
  return absl::StrCat(page, AutoText(), kCombinations);
}

}  // namespace autotp::config
