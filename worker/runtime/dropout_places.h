// dropout_places.h -- where the numbers of a rank's part lie in the whole
// value, as kernel/cpu/dropout.h counts them: by sequence, row and column.
#ifndef AUTOTP_WORKER_RUNTIME_DROPOUT_PLACES_H_
#define AUTOTP_WORKER_RUNTIME_DROPOUT_PLACES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "autotp/v1/program.pb.h"

namespace autotp::runtime {

class DropoutPlaces {
 public:
  struct Row {
    int64_t sequence = 0;  // of the micro-batch
    int64_t row = 0;       // in the whole sequence
  };
  // Neighbouring columns.
  struct Run {
    int64_t begin = 0;
    int64_t length = 0;
  };

  // Of a value of that local shape [B,...], whose dimension `dim` is cut as
  // the node's attributes 'size' and 'intervals' say, if they are there.
  // INVALID_ARGUMENT: they don't fit the shape.
  static absl::StatusOr<DropoutPlaces> Make(const v1::Node& node,
                                            std::vector<int64_t> shape,
                                            int64_t dim);

  int64_t rows() const { return rows_; }
  // Of the value's rows, all dimensions but the last, in their order.
  Row At(int64_t row) const;
  const std::vector<Run>& runs() const { return runs_; }
  // Of the cut dimension.
  int64_t Position(int64_t local) const {
    return positions_.empty() ? local : positions_[local];
  }

 private:
  std::vector<int64_t> shape_;        // local
  std::vector<int64_t> whole_shape_;  // of the whole value
  int64_t dim_ = -1;                  // -1: not cut
  std::vector<int64_t> positions_;    // of the cut dimension
  std::vector<Run> runs_;             // the columns
  int64_t rows_ = 1;
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_DROPOUT_PLACES_H_
