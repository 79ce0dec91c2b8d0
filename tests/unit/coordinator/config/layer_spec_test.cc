// The reference's table of what a layer spec may say, before any weight is
// known. Unlike DeepSpeed's, true is no number, and a gather with a shape is
// accepted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(LayerSpecTest, ShapesAndPartitionDims) {
  struct Case {
    std::string spec;
    std::string found;  // "": accepted
  };
  for (const Case& c : std::vector<Case>{
           {R"("shape": [2, [1, 1]])", "WRONG_TYPE"},
           {R"("shape": [[1, 1], 2])", ""},
           {R"("shape": [3, -1])", ""},
           {R"("shape": [0, -1])", "WRONG_TYPE"},
           {R"("shape": [-2, -1])", "WRONG_TYPE"},
           {R"("shape": [[], -1])", "WRONG_TYPE"},
           {R"("shape": [[4, [2]], -1])", "WRONG_TYPE"},
           {R"("shape": [[4, 0], -1])", "WRONG_TYPE"},
           {R"("shape": [[4, -1], -1])", "WRONG_TYPE"},
           {R"("shape": [3, -1], "partition_dim": 2)",
            "PARTITION_DIM_OUT_OF_RANGE"},
           {R"("shape": [3, -1], "partition_dim": -1)", "OUT_OF_RANGE"},
           {R"("shape": ["a", -1])", "WRONG_TYPE"},
           {R"("shape": [3.0, -1])", "WRONG_TYPE"},
           {R"("shape": 3)", "WRONG_TYPE"},
           {R"("shape": [true, -1])", "WRONG_TYPE"},
           {R"("shape": [3, -1], "gather_output": true)", ""},
           {R"("partition_type": "row", "shape": [8])",
            "PARTITION_DIM_OUT_OF_RANGE"},
           {R"("partition_type": "ROW", "shape": [-1, [8, 4, 4]])", ""},
           {R"("partition_type": "Skip", "shape": [3, -1])", ""},
           {R"("partition_type": "diagonal")", "UNKNOWN_PARTITION_TYPE"}}) {
    const Reading reading =
        Read(absl::StrCat(R"({"train_batch_size": 8, "tensor_parallel": {
            "autotp_size": 2, "partition_config": {"layer_specs": [
            {"patterns": ["x"], )",
                          c.spec, "}]}}}"),
             2);
    const std::vector<std::string> found = Found(reading.diagnostics);
    if (c.found.empty()) {
      EXPECT_THAT(found, IsEmpty()) << c.spec;
    } else {
      EXPECT_THAT(found, ElementsAre(HasSubstr(c.found))) << c.spec;
    }
  }
}

}  // namespace
}  // namespace autotp::config
