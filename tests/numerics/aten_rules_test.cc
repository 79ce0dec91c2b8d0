// Goal: whatever dimension of an input of an ATen operation is cut, the ranks
// together compute what one does, and its gradients.
// Method: one operation on parameters of random shapes; each dimension of each
// parameter is cut in turn, by rule; all ranks in this process.
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "coordinator/partition/aten_rules.h"
#include "coordinator/partition/partition.h"
#include "coordinator/program/program.h"
#include "tests/support/program_maker.h"
#include "tests/support/program_ranks.h"

namespace autotp::testing {
namespace {

constexpr double kTolerance = 2e-5;

struct Operation {
  std::string aten;
  std::vector<Shape> inputs;
  std::vector<Shape> outputs;
  std::function<void(NodeMaker&)> attributes = [](NodeMaker&) {};
};

// Random sizes from 1 to 5.
class Sizes {
 public:
  explicit Sizes(uint64_t seed) : random_(seed) {}
  int64_t Pick(int64_t least, int64_t most) {
    return std::uniform_int_distribution<int64_t>(least, most)(random_);
  }
  int64_t One() { return Pick(1, 5); }
  Shape Of(int rank) {
    Shape shape;
    for (int d = 0; d < rank; ++d) shape.push_back(One());
    return shape;
  }
  // Broadcasts to `shape`: some are one, the first may be missing.
  Shape Narrower(Shape shape) {
    for (int64_t& size : shape)
      if (Pick(0, 2) == 0) size = 1;
    if (Pick(0, 2) == 0) shape.erase(shape.begin());
    return shape;
  }

 private:
  std::mt19937_64 random_;
};

Shape With(Shape shape, int64_t dim, int64_t size) {
  shape[dim] = size;
  return shape;
}

Shape Without(Shape shape, int64_t dim) {
  shape.erase(shape.begin() + dim);
  return shape;
}

void AddElementwise(Sizes& sizes, std::vector<Operation>* all) {
  for (const char* name :
       {"exp.default", "neg.default", "erf.default", "softplus.default",
        "square.default", "atan.default", "_to_copy.default", "mish.default",
        "special_expm1.default", "cosh.default"}) {
    const Shape x = sizes.Of(static_cast<int>(sizes.Pick(1, 4)));
    all->push_back({name, {x}, {x}});
  }
  for (const char* name :
       {"add.Tensor", "sub.Tensor", "mul.Tensor", "maximum.default",
        "max.other", "min.other", "atan2.default", "hypot.default",
        "copysign.Tensor", "logaddexp.default"}) {
    const Shape x = sizes.Of(3);
    all->push_back({name, {x, sizes.Narrower(x)}, {x}});
  }
  const Shape x = sizes.Of(3);
  all->push_back({"lerp.Tensor", {x, x, sizes.Narrower(x)}, {x}});
  all->push_back(
      {"addcmul.default", {x, sizes.Narrower(x), sizes.Narrower(x)}, {x}});
  const Shape square = sizes.Of(4);
  all->push_back({"tril.default", {square}, {square}});
  all->push_back({"layer_norm.default",
                  {square, {square[2], square[3]}},
                  {square},
                  [square](NodeMaker& n) {
                    n.Set("normalized_shape", Shape{square[2], square[3]})
                        .Set("tensors", Shape{1, 1, 0});
                  }});
}

void AddAlongDim(Sizes& sizes, std::vector<Operation>* all) {
  const Shape x = sizes.Of(4);
  const int64_t dim = sizes.Pick(-4, 3);
  const int64_t at = (dim + 4) % 4;
  for (const char* name :
       {"softmax.int", "log_softmax.int", "cumsum.default", "cumprod.default",
        "logcumsumexp.default", "_safe_softmax.default"}) {
    all->push_back(
        {name, {x}, {x}, [dim](NodeMaker& n) { n.Set("dim", dim); }});
  }
  for (const char* name : {"flip.default", "roll.default"}) {
    all->push_back({name, {x}, {x}, [dim, name](NodeMaker& n) {
                      n.Set("dims", Shape{dim});
                      if (name[0] == 'r') n.Set("shifts", Shape{2});
                    }});
  }
  all->push_back({"cummax.default", {x}, {x, x}, [dim](NodeMaker& n) {
                    n.Set("dim", dim);
                  }});
  all->push_back({"sort.default", {x}, {x, x}, [dim](NodeMaker& n) {
                    n.Set("dim", dim);
                  }});
  const int64_t k = sizes.Pick(1, x[at]);
  all->push_back({"topk.default",
                  {x},
                  {With(x, at, k), With(x, at, k)},
                  [dim, k](NodeMaker& n) { n.Set("dim", dim).Set("k", k); }});
  const Shape even = With(x, at, 2 * x[at]);
  all->push_back(
      {"glu.default", {even}, {x}, [dim](NodeMaker& n) { n.Set("dim", dim); }});
  all->push_back({"pad.default",
                  {x},
                  {With(With(x, 3, x[3] + 3), 2, x[2] + 2)},
                  [](NodeMaker& n) {
                    n.Set("pad", Shape{1, 2, 0, 2});
                  }});
  all->push_back(
      {"select_scatter.default", {x, Without(x, at)}, {x}, [dim](NodeMaker& n) {
         n.Set("dim", dim).Set("index", 0);
       }});
  all->push_back({"slice_scatter.default",
                  {x, With(x, at, k)},
                  {x},
                  [dim, k](NodeMaker& n) {
                    n.Set("dim", dim).Set("start", 0).Set("end", k);
                  }});
  all->push_back({"slice.Tensor", {even}, {x}, [dim](NodeMaker& n) {
                    n.Set("dim", dim).Set("start", 1).Set("step", 2);
                  }});
}

void AddReductions(Sizes& sizes, std::vector<Operation>* all) {
  const Shape x = sizes.Of(4);
  const int64_t dim = sizes.Pick(0, 3);
  for (const char* name :
       {"sum.dim_IntList", "mean.dim", "amax.default", "logsumexp.default"}) {
    all->push_back({name, {x}, {Without(x, dim)}, [dim](NodeMaker& n) {
                      n.Set("dim", Shape{dim});
                    }});
    all->push_back({name, {x}, {With(x, dim, 1)}, [dim](NodeMaker& n) {
                      n.Set("dim", Shape{dim - 4}).Set("keepdim", true);
                    }});
  }
  all->push_back({"sum.default", {x}, {Shape{}}});
  all->push_back({"prod.dim_int", {x}, {Without(x, dim)}, [dim](NodeMaker& n) {
                    n.Set("dim", dim);
                  }});
  for (const char* name : {"max.dim", "min.dim"}) {
    all->push_back(
        {name, {x}, {With(x, dim, 1), With(x, dim, 1)}, [dim](NodeMaker& n) {
           n.Set("dim", dim).Set("keepdim", true);
         }});
  }
}

void AddProducts(Sizes& sizes, std::vector<Operation>* all) {
  const Shape s = sizes.Of(5);
  all->push_back({"matmul.default",
                  {{s[0], s[1], s[2], s[3]}, {s[0], s[1], s[3], s[4]}},
                  {{s[0], s[1], s[2], s[4]}}});
  all->push_back({"matmul.default",
                  {{s[0], s[1], s[2], s[3]}, {s[1], s[3], s[4]}},
                  {{s[0], s[1], s[2], s[4]}}});
  all->push_back({"bmm.default",
                  {{s[0], s[1], s[2]}, {s[0], s[2], s[3]}},
                  {{s[0], s[1], s[3]}}});
  for (const Shape& c :
       {Shape{s[0], s[1], s[3]}, Shape{s[0], 1, s[3]}, Shape{s[3]}}) {
    all->push_back({"baddbmm.default",
                    {c, {s[0], s[1], s[2]}, {s[0], s[2], s[3]}},
                    {{s[0], s[1], s[3]}},
                    [](NodeMaker& n) { n.Set("alpha", 0.5).Set("beta", 2); }});
  }
  all->push_back({"einsum.default",
                  {{s[0], s[1], s[2]}, {s[0], s[3], s[2]}},
                  {{s[3], s[0], s[1]}},
                  [](NodeMaker& n) {
                    n.Set("equation", "abc,adc->dab").Set("tensors", Shape{2});
                  }});
  const int64_t channels = sizes.Pick(2, 5);
  all->push_back({"conv1d.default",
                  {{s[0], channels, 6}, {channels, 1, 3}, {channels}},
                  {{s[0], channels, 8}},
                  [channels](NodeMaker& n) {
                    n.Set("groups", channels).Set("padding", Shape{2});
                  }});
  all->push_back({"conv2d.default",
                  {{s[0], s[1], 4, 5}, {s[2], s[1], 2, 2}, {s[2]}},
                  {{s[0], s[2], 3, 4}}});
  all->push_back({"scaled_dot_product_attention.default",
                  {{s[0], s[1], s[2], s[3]},
                   {s[0], s[1], s[4], s[3]},
                   {s[0], s[1], s[4], 2},
                   {s[0], 1, s[2], s[4]}},
                  {{s[0], s[1], s[2], 2}}});
}

std::vector<Operation> Operations(uint64_t seed) {
  Sizes sizes(seed);
  std::vector<Operation> all;
  AddElementwise(sizes, &all);
  AddAlongDim(sizes, &all);
  AddReductions(sizes, &all);
  AddProducts(sizes, &all);
  return all;
}

// The loss weighs every output.
v1::Program ProgramOf(const Operation& operation) {
  ProgramMaker m;
  std::vector<int> inputs;
  for (size_t i = 0; i < operation.inputs.size(); ++i)
    inputs.push_back(m.Parameter(absl::StrCat("p", i), operation.inputs[i]));
  NodeMaker node = m.Node("aten." + operation.aten, inputs, operation.outputs);
  if (operation.attributes) operation.attributes(node);
  if (std::none_of(node.node().attributes().begin(),
                   node.node().attributes().end(),
                   [](const auto& a) { return a.name() == "tensors"; }))
    node.Set("tensors", Shape(inputs.size(), 1));
  const v1::Node made = node.node();
  int sum = -1;
  for (size_t i = 0; i < operation.outputs.size(); ++i) {
    if (i > 0) {
      m.program.mutable_values(made.outputs(static_cast<int>(i)))
          ->set_kind(v1::Value::KIND_INDEX);
    }
    const Shape& shape = operation.outputs[i];
    const int factors =
        m.Parameter(absl::StrCat("f", i), shape, /*frozen=*/true);
    const int weighed =
        m.Node("aten.mul.Tensor", {made.outputs(static_cast<int>(i)), factors},
               {shape})
            .Set("tensors", Shape{1, 1})
            .output();
    const int one =
        m.Node("aten.sum.default", {weighed}, {{}}, v1::Value::KIND_FLOAT32)
            .Set("tensors", Shape{1})
            .output();
    sum = i == 0 ? one
                 : m.Node("aten.add.Tensor", {sum, one}, {{}},
                          v1::Value::KIND_FLOAT32)
                       .Set("tensors", Shape{1, 1})
                       .output();
  }
  m.Loss(sum);
  for (v1::Parameter& parameter : *m.program.mutable_parameters())
    parameter.mutable_initialization()->set_kind(v1::Initialization::KIND_ONES);
  return m.program;
}

class AtenRulesTest : public ::testing::TestWithParam<int> {};

TEST_P(AtenRulesTest, EveryCutOfEveryInputComputesTheSame) {
  const uint64_t seed = GetParam();
  for (const Operation& operation : Operations(seed)) {
    const v1::Program whole = ProgramOf(operation);
    const absl::StatusOr<program::Program> program = program::FromProto(whole);
    ASSERT_TRUE(program.ok()) << program.status();
    EXPECT_FALSE(partition::AtenRule(*program, program->nodes[0]).missing)
        << operation.aten;
    const NamedNumbers weights = RandomWeights(whole, seed);
    const absl::StatusOr<GroupResult> want = RunRanks({whole}, weights, {});
    ASSERT_TRUE(want.ok()) << operation.aten << ": " << want.status();
    for (size_t i = 0; i < operation.inputs.size(); ++i) {
      for (size_t d = 0; d < operation.inputs[i].size(); ++d) {
        for (const int ranks : {2, 3}) {
          SCOPED_TRACE(absl::StrCat(operation.aten, " seed ", seed, " input ",
                                    i, " dimension ", d, " of ", ranks));
          partition::PartitionOptions options{.tensor_parallel_size = ranks};
          options.requests[absl::StrCat("p", i)] = {
              partition::ParameterRequest::Want::kCut, static_cast<int>(d)};
          const auto partitioned = partition::Partition(*program, options);
          ASSERT_TRUE(partitioned.ok()) << partitioned.status();
          std::vector<v1::Program> locals;
          for (const program::Program& local : partitioned->locals)
            locals.push_back(program::ToProto(local));
          const absl::StatusOr<GroupResult> got = RunRanks(locals, weights, {});
          ASSERT_TRUE(got.ok()) << got.status();
          const Difference difference = Compare(*got, *want);
          EXPECT_LT(difference.loss, kTolerance);
          EXPECT_LT(difference.gradient, kTolerance) << difference.parameter;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, AtenRulesTest, ::testing::Values(2, 3));

}  // namespace
}  // namespace autotp::testing
