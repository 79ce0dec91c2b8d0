#include "worker/data/mixed_dataset.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"

namespace autotp::data {
namespace {

class MixedDataset final : public Dataset {
 public:
  MixedDataset(std::vector<std::unique_ptr<Dataset>> files,
               std::vector<double> weights)
      : files_(std::move(files)), weights_(std::move(weights)) {
    for (const auto& file : files_) {
      firsts_.push_back(count_);
      count_ += file->sequence_count();
    }
  }

  int64_t sequence_count() const override { return count_; }
  int64_t sequence_length() const override {
    return files_[0]->sequence_length();
  }
  const std::string& path() const override { return files_[0]->path(); }

  std::vector<MixedFile> files() const override {
    std::vector<MixedFile> mixed;
    for (size_t i = 0; i < files_.size(); ++i)
      mixed.push_back({files_[i]->sequence_count(), weights_[i]});
    return mixed;
  }

  absl::Status Read(int64_t index, const SequenceSpans& out) const override {
    AUTOTP_CHECK(index >= 0 && index < count_, "sequence ", index, " of ",
                 count_);
    const auto next = std::upper_bound(firsts_.begin(), firsts_.end(), index);
    const auto file = static_cast<size_t>(next - firsts_.begin() - 1);
    return files_[file]->Read(index - firsts_[file], out);
  }

 private:
  const std::vector<std::unique_ptr<Dataset>> files_;
  const std::vector<double> weights_;
  std::vector<int64_t> firsts_;  // [file] number of its first sequence
  int64_t count_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> MakeMixedDataset(
    std::vector<std::unique_ptr<Dataset>> files, std::vector<double> weights) {
  AUTOTP_CHECK(!files.empty() && files.size() == weights.size(), files.size());
  const bool none = std::all_of(weights.begin(), weights.end(),
                                [](double weight) { return weight == 0; });
  for (size_t i = 0; i < files.size(); ++i) {
    if (none) {
      weights[i] = static_cast<double>(files[i]->sequence_count());
    } else if (!(weights[i] > 0) || !std::isfinite(weights[i])) {
      return absl::InvalidArgumentError(
          absl::StrCat(files[i]->path(), ": its weight is ", weights[i],
                       "; give every file one above 0, or none a weight"));
    }
  }
  return std::make_unique<MixedDataset>(std::move(files), std::move(weights));
}

}  // namespace autotp::data
