// Where an expert's weight lies in a tensor of all experts.
#include "coordinator/model/huggingface/fused_experts.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace autotp::model {
namespace {

TEST(FusedExpertsTest, FindsEveryMatrixInItsTensor) {
  struct Case {
    std::string parameter;
    std::string tensor;
    std::vector<int64_t> fused;
    int64_t offset;
  };
  const std::vector<int64_t> both = {4, 6, 5};  // 4 experts of 3 x 5, twice
  const std::vector<int64_t> down = {4, 5, 3};
  const std::string layer = "model.layers.2.mlp.experts.";
  for (const Case& c :
       std::vector<Case>{{"model.layers.2.mlp.experts.0.gate_proj.weight",
                          layer + "gate_up_proj", both, 0},
                         {"model.layers.2.mlp.experts.0.up_proj.weight",
                          layer + "gate_up_proj", both, 15},
                         {"model.layers.2.mlp.experts.3.gate_proj.weight",
                          layer + "gate_up_proj", both, 90},
                         {"model.layers.2.mlp.experts.3.down_proj.weight",
                          layer + "down_proj", down, 45},
                         {"model.layers.2.block_sparse_moe.experts.1.w3.weight",
                          layer + "gate_up_proj", both, 45},
                         {"model.layers.2.block_sparse_moe.experts.1.w2.weight",
                          layer + "down_proj", down, 15}}) {
    SCOPED_TRACE(c.parameter);
    const std::optional<FusedPlace> place = FindFusedPlace(c.parameter);
    ASSERT_TRUE(place.has_value());
    EXPECT_EQ(place->tensor, c.tensor);
    const std::vector<int64_t> shape = c.fused == down
                                           ? std::vector<int64_t>{5, 3}
                                           : std::vector<int64_t>{3, 5};
    EXPECT_EQ(OffsetIn(*place, c.fused, shape), c.offset);
    EXPECT_EQ(OffsetIn(*place, {4, 7, 5}, shape), std::nullopt);
  }
  for (const char* other :
       {"model.layers.2.mlp.gate_proj.weight", "experts.1.w4.weight",
        "mlp.experts.x.up_proj.weight", "mlp.experts.1.up_proj.bias"}) {
    EXPECT_EQ(FindFusedPlace(other), std::nullopt) << other;
  }
}

}  // namespace
}  // namespace autotp::model
