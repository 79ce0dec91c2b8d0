#include "worker/runtime/dropout_places.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/runtime/attributes.h"

namespace autotp::runtime {

absl::StatusOr<DropoutPlaces> DropoutPlaces::Make(const v1::Node& node,
                                                  std::vector<int64_t> shape,
                                                  int64_t dim) {
  const auto rank = static_cast<int64_t>(shape.size());
  if (rank < 2 || dim >= rank)
    return absl::InvalidArgumentError("dropout of a value without rows");
  DropoutPlaces places;
  places.shape_ = std::move(shape);
  places.whole_shape_ = places.shape_;
  places.runs_ = {{0, places.shape_.back()}};
  for (int64_t d = 0; d < rank - 1; ++d) places.rows_ *= places.shape_[d];
  const Attributes attributes(node);
  if (!attributes.Has("intervals")) return places;

  AUTOTP_ASSIGN_OR_RETURN(const int64_t size, attributes.Integer("size"));
  AUTOTP_ASSIGN_OR_RETURN(const std::vector<int64_t> ends,
                          attributes.Integers("intervals"));
  std::vector<Run> runs;
  for (size_t i = 0; i + 1 < ends.size(); i += 2) {
    runs.push_back({ends[i], ends[i + 1] - ends[i]});
    for (int64_t at = ends[i]; at < ends[i + 1]; ++at)
      places.positions_.push_back(at);
  }
  if (dim < 0 || ends.size() % 2 != 0 ||
      static_cast<int64_t>(places.positions_.size()) != places.shape_[dim]) {
    return absl::InvalidArgumentError(
        absl::StrCat("the intervals of dimension ", dim, " do not fit it"));
  }
  places.dim_ = dim;
  places.whole_shape_[dim] = size;
  if (dim == rank - 1) places.runs_ = std::move(runs);
  return places;
}

DropoutPlaces::Row DropoutPlaces::At(int64_t row) const {
  Row place;
  int64_t stride = 1;
  for (int64_t d = static_cast<int64_t>(shape_.size()) - 2; d >= 0; --d) {
    const int64_t at = row % shape_[d];
    row /= shape_[d];
    const int64_t position = d == dim_ ? positions_[at] : at;
    if (d == 0) {
      place.sequence = position;
    } else {
      place.row += position * stride;
      stride *= whole_shape_[d];
    }
  }
  return place;
}

}  // namespace autotp::runtime
