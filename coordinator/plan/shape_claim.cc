#include "coordinator/plan/shape_claim.h"

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/status_macros.h"

namespace autotp::plan {
namespace {

constexpr int64_t kUnknown = -1;
constexpr int64_t kTooLarge = std::numeric_limits<int64_t>::max();

// False where the product is beyond any weight.
bool Multiply(int64_t factor, int64_t* product) {
  return !__builtin_mul_overflow(*product, factor, product);
}

class Reader {
 public:
  Reader(const std::vector<config::ShapeEntry>& shape, int64_t partition_dim,
         const std::vector<int64_t>& weight)
      : shape_(shape),
        at_(static_cast<size_t>(partition_dim)),
        weight_(weight) {}

  absl::StatusOr<ShapeClaim> Run() {
    if (weight_.size() != 2) return Refused("a view needs two dimensions");
    for (size_t i = 0; i < shape_.size(); ++i) {
      claim_.view.push_back(KnownSize(i));
    }
    AUTOTP_RETURN_IF_ERROR(Infer());
    AUTOTP_RETURN_IF_ERROR(SplitIntoBlocks());
    return std::move(claim_);
  }

 private:
  // What entry `i` says of its dimension's length.
  int64_t KnownSize(size_t i) const {
    if (const auto* sizes = std::get_if<std::vector<int64_t>>(&shape_[i])) {
      int64_t sum = 0;
      for (const int64_t size : *sizes) {
        if (__builtin_add_overflow(sum, size, &sum)) return kTooLarge;
      }
      return sum;
    }
    // At partition_dim a number is a count.
    return i == at_ ? kUnknown : std::get<int64_t>(shape_[i]);
  }

  absl::Status Refused(absl::string_view why) const {
    return absl::InvalidArgumentError(absl::StrCat(
        "shape ", ShapeText(shape_), " with partition_dim ", at_,
        " for a weight [", absl::StrJoin(weight_, ", "), "]: ", why));
  }

  absl::Status Infer() {
    std::vector<int64_t>& view = claim_.view;
    const int64_t in = weight_[1];
    if (view.back() == kUnknown) view.back() = in;
    int64_t known = 1;
    size_t open = view.size();
    for (size_t i = 0; i < view.size(); ++i) {
      if (view[i] == kUnknown) {
        if (open < view.size()) {
          return Refused("two numbers are to be inferred, which is ambiguous");
        }
        open = i;
      } else if (!Multiply(view[i], &known)) {
        return Refused("it is larger than any weight");
      }
    }
    const int64_t elements = weight_[0] * in;
    if (open < view.size()) {
      if (known == 0 || elements % known != 0) {
        return Refused(absl::StrCat("the numbers given make ", known,
                                    ", which does not divide the weight's ",
                                    elements, " elements"));
      }
      view[open] = elements / known;
    } else if (known != elements) {
      return Refused(
          absl::StrCat("it has ", known, " elements, the weight ", elements));
    }
    if (view.back() != in) {
      return Refused(
          absl::StrCat("its last number has to be the input "
                       "dimension ",
                       in, " (or -1)"));
    }
    return absl::OkStatus();
  }

  absl::Status SplitIntoBlocks() {
    const int64_t length = claim_.view[at_];
    const bool is_row = at_ + 1 == claim_.view.size();
    claim_.dim = is_row ? 1 : 0;
    int64_t before = 1;
    int64_t inner = 1;
    if (!is_row) {
      for (size_t i = 0; i < at_; ++i) before *= claim_.view[i];
      for (size_t i = at_ + 1; i + 1 < claim_.view.size(); ++i) {
        inner *= claim_.view[i];
      }
    }
    AUTOTP_RETURN_IF_ERROR(FindSizes(length));
    std::vector<int64_t> sizes = claim_.sizes;
    if (claim_.count_is_width) sizes.clear();
    // Outer dimensions repeat the blocks, even a single one.
    if (sizes.empty() && before == 1) return absl::OkStatus();
    if (sizes.empty()) sizes.push_back(length);
    for (int64_t i = 0; i < before; ++i) {
      for (const int64_t size : sizes) claim_.blocks.push_back(size * inner);
    }
    return absl::OkStatus();
  }

  absl::Status FindSizes(int64_t length) {
    if (const auto* sizes = std::get_if<std::vector<int64_t>>(&shape_[at_])) {
      claim_.sizes = *sizes;
      return absl::OkStatus();
    }
    const int64_t count = std::get<int64_t>(shape_[at_]);
    if (count == kUnknown) return absl::OkStatus();
    if (length % count != 0) {
      return Refused(absl::StrCat(length, " positions do not make ", count,
                                  " equal blocks"));
    }
    claim_.count_is_width = count == length && count > 1;
    claim_.sizes.assign(static_cast<size_t>(count), length / count);
    return absl::OkStatus();
  }

  const std::vector<config::ShapeEntry>& shape_;
  const size_t at_;
  const std::vector<int64_t>& weight_;
  ShapeClaim claim_;
};

}  // namespace

std::string ShapeText(const std::vector<config::ShapeEntry>& shape) {
  const auto write = [](std::string* out, const config::ShapeEntry& entry) {
    if (const auto* sizes = std::get_if<std::vector<int64_t>>(&entry)) {
      absl::StrAppend(out, "[", absl::StrJoin(*sizes, ", "), "]");
    } else {
      absl::StrAppend(out, std::get<int64_t>(entry));
    }
  };
  return absl::StrCat("[", absl::StrJoin(shape, ", ", write), "]");
}

absl::StatusOr<ShapeClaim> ReadShapeClaim(
    const std::vector<config::ShapeEntry>& shape, int64_t partition_dim,
    const std::vector<int64_t>& weight) {
  return Reader(shape, partition_dim, weight).Run();
}

}  // namespace autotp::plan
