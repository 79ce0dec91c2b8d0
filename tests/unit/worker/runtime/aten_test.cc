// Goal: nodes of imported programs compute what ATen computes, forward and
// backward; what does not fit an operator's schema, or is not allowed, is
// refused before anything runs.
// Method: each node in a program of its own, whose loss weighs the outputs;
// the same by ATen under autograd.
#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/program_maker.h"
#include "worker/runtime/local_program.h"
#include "worker/runtime/operations/aten_allowed.h"

namespace autotp::testing {
namespace {

using ::testing::HasSubstr;
using Tensors = std::vector<at::Tensor>;

constexpr int kSeed = 7;

struct Case {
  std::string name;  // "add.Tensor"
  Tensors inputs;    // floats become parameters, others program inputs
  std::function<void(NodeMaker&)> attributes = [](NodeMaker&) {};
  std::function<Tensors(const Tensors&)> reference;
};

v1::Value::Kind KindOf(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kBool) return v1::Value::KIND_BOOL;
  return tensor.is_floating_point() ? v1::Value::KIND_FLOAT
                                    : v1::Value::KIND_INDEX;
}

std::vector<float> Numbers(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

class OneAtenNode {
 public:
  explicit OneAtenNode(const Case& test) {
    at::manual_seed(kSeed);
    std::vector<int> ids;
    for (const at::Tensor& input : test.inputs) {
      if (!input.defined()) {
        leaves_.emplace_back();
        ids.push_back(-1);
      } else if (input.is_floating_point()) {
        leaves_.push_back(input.clone().requires_grad_());
        weights_.push_back(Numbers(input));
        ids.push_back(
            m_.Parameter(absl::StrCat("p", ids.size()), input.sizes().vec()));
      } else {
        leaves_.push_back(input);
        columns_.push_back(input.to(at::kLong).contiguous());
        const int column = m_.Input("x", input.sizes().vec());
        ids.push_back(input.scalar_type() == at::kBool
                          ? m_.Node("aten.ne.Scalar", {column},
                                    {input.sizes().vec()}, v1::Value::KIND_BOOL)
                                .Set("other", 0)
                                .output()
                          : column);
      }
    }
    const Tensors outputs = test.reference(leaves_);
    std::vector<Shape> shapes;
    for (const at::Tensor& output : outputs)
      shapes.push_back(output.sizes().vec());
    NodeMaker node = m_.Node("aten." + test.name, ids, shapes);
    test.attributes(node);
    const v1::Node made = node.node();
    int sum = -1;
    for (size_t i = 0; i < outputs.size(); ++i) {
      m_.program.mutable_values(made.outputs(i))->set_kind(KindOf(outputs[i]));
      const at::Tensor factor = at::randn(outputs[i].sizes());
      const at::Tensor part = outputs[i].to(at::kFloat).mul(factor).sum();
      loss_ = i == 0 ? part : loss_.add(part);
      const int factors =
          m_.Parameter(absl::StrCat("f", i), shapes[i], /*frozen=*/true);
      weights_.push_back(Numbers(factor));
      const int weighed =
          m_.Node("aten.mul.Tensor", {made.outputs(i), factors}, {shapes[i]})
              .output();
      const int one = m_.Node("aten.sum.default", {weighed}, {{}}).output();
      sum =
          i == 0 ? one : m_.Node("aten.add.Tensor", {sum, one}, {{}}).output();
    }
    m_.Loss(sum);
  }

  void Check() {
    if (loss_.requires_grad()) loss_.backward();
    const auto program = runtime::LocalProgram::Compile(m_.program, {});
    ASSERT_TRUE(program.ok()) << program.status();
    std::vector<const void*> columns;
    for (const at::Tensor& column : columns_)
      columns.push_back(column.const_data_ptr());
    for (int run = 0; run < 2; ++run) {  // nothing may be left of a run
      VectorStore store(weights_);
      const auto loss = (*program)->Run(columns, {}, store);
      ASSERT_TRUE(loss.ok()) << loss.status();
      const double want = loss_.item<double>();
      EXPECT_NEAR(*loss, want, 1e-5 * (1 + std::abs(want)));
      int parameter = 0;
      for (const at::Tensor& leaf : leaves_) {
        if (!leaf.defined() || !leaf.is_floating_point()) continue;
        const std::vector<float> expected =
            leaf.grad().defined() ? Numbers(leaf.grad())
                                  : std::vector<float>(leaf.numel());
        const std::vector<float>& got = store.gradients[parameter++];
        ASSERT_EQ(got.size(), expected.size());
        for (size_t i = 0; i < got.size(); ++i) {
          EXPECT_NEAR(got[i], expected[i], 1e-5 * (1 + std::abs(expected[i])))
              << "gradient " << i << " of parameter " << parameter - 1;
        }
      }
    }
  }

 private:
  ProgramMaker m_;
  Tensors leaves_;
  Tensors columns_;
  std::vector<std::vector<float>> weights_;
  at::Tensor loss_;
};

at::Tensor Random(const Shape& shape) { return at::randn(shape); }

// The kinds of operators: element by element, contractions, moves of
// dimensions, pieces, reductions, norms, attention, look-ups, losses, lists,
// convolutions, creation.
std::vector<Case> Cases() {
  at::manual_seed(kSeed);
  const at::Tensor index = at::tensor({2, 0, 1, 1}, at::kLong);
  const at::Tensor mask = at::randn({2, 3}).gt(0);
  return {
      {"add.Tensor",
       {Random({2, 3}), Random({3})},
       [](NodeMaker& n) { n.Set("alpha", 2); },
       [](const Tensors& x) -> Tensors { return {at::add(x[0], x[1], 2)}; }},
      {"add.Tensor",
       {Random({2, 3})},
       [](NodeMaker& n) {
         n.Set("other", 2.5).Set("tensors", Shape{1, 0});
       },
       [](const Tensors& x) -> Tensors { return {at::add(x[0], 2.5)}; }},
      {"mul.Scalar",
       {Random({2, 3})},
       [](NodeMaker& n) { n.Set("other", 0.5); },
       [](const Tensors& x) -> Tensors { return {x[0].mul(0.5)}; }},
      {"div.Tensor_mode",
       {at::tensor({7, -7, 3}, at::kLong), at::tensor({2, 2, -2}, at::kLong)},
       [](NodeMaker& n) { n.Set("rounding_mode", "floor"); },
       [](const Tensors& x) -> Tensors {
         return {at::div(x[0], x[1], "floor")};
       }},
      {"where.self",
       {mask, Random({2, 3}), Random({3})},
       {},
       [](const Tensors& x) -> Tensors {
         return {at::where(x[0], x[1], x[2])};
       }},
      {"gelu.default",
       {Random({4})},
       [](NodeMaker& n) { n.Set("approximate", "tanh"); },
       [](const Tensors& x) -> Tensors { return {at::gelu(x[0], "tanh")}; }},
      {"clamp.default",
       {Random({9})},
       [](NodeMaker& n) { n.Set("min", -0.5); },
       [](const Tensors& x) -> Tensors {
         return {at::clamp(x[0], -0.5, std::nullopt)};
       }},
      {"copy.default",
       {Random({2, 3}), Random({3})},
       {},
       [](const Tensors& x) -> Tensors {
         return {x[1].expand({2, 3})};
       }},
      {"linear.default",
       {Random({2, 3, 4}), Random({5, 4}), Random({5})},
       {},
       [](const Tensors& x) -> Tensors {
         return {at::linear(x[0], x[1], x[2])};
       }},
      {"linear.default",
       {Random({2, 4}), Random({5, 4}), {}},
       [](NodeMaker& n) {
         n.Set("tensors", Shape{1, 1, 1});
       },
       [](const Tensors& x) -> Tensors { return {at::linear(x[0], x[1])}; }},
      {"einsum.default",
       {Random({2, 3}), Random({3, 4})},
       [](NodeMaker& n) {
         n.Set("equation", "ij,jk->ki").Set("tensors", Shape{2});
       },
       [](const Tensors& x) -> Tensors {
         return {at::einsum("ij,jk->ki", {x[0], x[1]})};
       }},
      {"baddbmm.default",
       {Random({2, 3, 5}), Random({2, 3, 4}), Random({2, 4, 5})},
       [](NodeMaker& n) { n.Set("beta", 0.5).Set("alpha", 2); },
       [](const Tensors& x) -> Tensors {
         return {at::baddbmm(x[0], x[1], x[2], 0.5, 2)};
       }},
      {"permute.default",
       {Random({2, 3, 4})},
       [](NodeMaker& n) {
         n.Set("dims", Shape{2, 0, 1});
       },
       [](const Tensors& x) -> Tensors {
         return {x[0].permute({2, 0, 1})};
       }},
      {"view.default",
       {Random({2, 6})},
       [](NodeMaker& n) {
         n.Set("size", Shape{3, -1});
       },
       [](const Tensors& x) -> Tensors {
         return {x[0].view({3, 4})};
       }},
      {"contiguous.default",
       {Random({2, 2})},
       {},
       [](const Tensors& x) -> Tensors { return {x[0].contiguous()}; }},
      {"detach.default",
       {Random({3})},
       {},
       [](const Tensors& x) -> Tensors { return {x[0].detach()}; }},
      {"slice.Tensor",
       {Random({5, 2})},
       [](NodeMaker& n) { n.Set("start", 1).Set("end", 5).Set("step", 2); },
       [](const Tensors& x) -> Tensors { return {x[0].slice(0, 1, 5, 2)}; }},
      {"cat.default",
       {Random({2, 3}), Random({2, 1}), Random({2, 2})},
       [](NodeMaker& n) { n.Set("dim", 1).Set("tensors", Shape{3}); },
       [](const Tensors& x) -> Tensors {
         return {at::cat({x[0], x[1], x[2]}, 1)};
       }},
      {"split_with_sizes.default",
       {Random({2, 5})},
       [](NodeMaker& n) {
         n.Set("split_sizes", Shape{2, 3}).Set("dim", -1);
       },
       [](const Tensors& x) -> Tensors {
         return x[0].split_with_sizes({2, 3}, -1);
       }},
      {"chunk.default",
       {Random({2, 6})},
       [](NodeMaker& n) { n.Set("chunks", 3).Set("dim", 1); },
       [](const Tensors& x) -> Tensors { return x[0].chunk(3, 1); }},
      {"unbind.int",
       {Random({3, 2})},
       {},
       [](const Tensors& x) -> Tensors { return x[0].unbind(); }},
      {"sum.dim_IntList",
       {Random({2, 3})},
       [](NodeMaker& n) {
         n.Set("dim", Shape{1}).Set("keepdim", true).Set("dtype", "float32");
       },
       [](const Tensors& x) -> Tensors { return {x[0].sum({1}, true)}; }},
      {"max.dim",
       {Random({2, 5})},
       [](NodeMaker& n) { n.Set("dim", 1); },
       [](const Tensors& x) -> Tensors {
         auto [values, indices] = x[0].max(1);
         return {values, indices};
       }},
      {"topk.default",
       {Random({2, 5})},
       [](NodeMaker& n) { n.Set("k", 2); },
       [](const Tensors& x) -> Tensors {
         auto [values, indices] = x[0].topk(2);
         return {values, indices};
       }},
      {"softmax.int",
       {Random({2, 5})},
       [](NodeMaker& n) { n.Set("dim", -1); },
       [](const Tensors& x) -> Tensors { return {x[0].softmax(-1)}; }},
      {"cumsum.default",
       {Random({2, 5})},
       [](NodeMaker& n) { n.Set("dim", 1); },
       [](const Tensors& x) -> Tensors { return {x[0].cumsum(1)}; }},
      {"layer_norm.default",
       {Random({2, 4}), Random({4}), Random({4})},
       [](NodeMaker& n) {
         n.Set("normalized_shape", Shape{4}).Set("eps", 1e-6);
       },
       [](const Tensors& x) -> Tensors {
         return {at::layer_norm(x[0], {4}, x[1], x[2], 1e-6)};
       }},
      {"scaled_dot_product_attention.default",
       {Random({1, 2, 3, 4}), Random({1, 2, 3, 4}), Random({1, 2, 3, 4}), {}},
       [](NodeMaker& n) { n.Set("is_causal", true); },
       [](const Tensors& x) -> Tensors {
         return {
             at::scaled_dot_product_attention(x[0], x[1], x[2], {}, 0.0, true)};
       }},
      {"embedding.default",
       {Random({3, 4}), index},
       [](NodeMaker& n) { n.Set("padding_idx", 1); },
       [](const Tensors& x) -> Tensors {
         return {at::embedding(x[0], x[1], 1)};
       }},
      {"index.Tensor",
       {Random({2, 3, 2}), {}, index},
       [](NodeMaker& n) {
         n.Set("tensors", Shape{1, 2});
       },
       [](const Tensors& x) -> Tensors {
         return {at::index(x[0], {std::nullopt, x[2]})};
       }},
      {"index_put.default",
       {Random({3, 2}), index, Random({4, 2})},
       [](NodeMaker& n) {
         n.Set("accumulate", true).Set("tensors", Shape{1, 1, 1});
       },
       [](const Tensors& x) -> Tensors {
         return {at::index_put(x[0], {x[1]}, x[2], true)};
       }},
      {"gather.default",
       {Random({3, 4}), index.view({1, 4})},
       [](NodeMaker& n) { n.Set("dim", 0); },
       [](const Tensors& x) -> Tensors { return {x[0].gather(0, x[1])}; }},
      {"cross_entropy_loss.default",
       {Random({4, 3}), at::tensor({2, -100, 1, 0}, at::kLong), {}},
       [](NodeMaker& n) { n.Set("label_smoothing", 0.1); },
       [](const Tensors& x) -> Tensors {
         return {at::cross_entropy_loss(x[0], x[1], {}, at::Reduction::Mean,
                                        -100, 0.1)};
       }},
      {"mse_loss.default",
       {Random({4, 3}), Random({4, 3})},
       {},
       [](const Tensors& x) -> Tensors { return {at::mse_loss(x[0], x[1])}; }},
      {"conv1d.default",
       {Random({2, 4, 6}), Random({4, 1, 3}), Random({4})},
       [](NodeMaker& n) { n.Set("padding", Shape{2}).Set("groups", 4); },
       [](const Tensors& x) -> Tensors {
         return {at::conv1d(x[0], x[1], x[2], at::IntArrayRef({1}),
                            at::IntArrayRef({2}), at::IntArrayRef({1}), 4)};
       }},
      {"max_pool2d.default",
       {Random({1, 2, 4, 4})},
       [](NodeMaker& n) {
         n.Set("kernel_size", Shape{2, 2});
       },
       [](const Tensors& x) -> Tensors {
         return {at::max_pool2d(x[0], {2, 2})};
       }},
      {"arange.start_step",
       {},
       [](NodeMaker& n) {
         n.Set("start", 1).Set("end", 9).Set("step", 3).Set("dtype", "int64");
       },
       [](const Tensors&) -> Tensors {
         return {at::arange(1, 9, 3, at::kLong)};
       }},
      {"full.default",
       {},
       [](NodeMaker& n) {
         n.Set("size", Shape{2, 2}).Set("fill_value", 1.5);
       },
       [](const Tensors&) -> Tensors {
         return {at::full({2, 2}, 1.5)};
       }},
      {"tril.default",
       {Random({3, 3})},
       [](NodeMaker& n) { n.Set("diagonal", -1); },
       [](const Tensors& x) -> Tensors { return {x[0].tril(-1)}; }},
      {"masked_fill.Scalar",
       {Random({2, 3}), mask},
       [](NodeMaker& n) { n.Set("value", -1e9); },
       [](const Tensors& x) -> Tensors {
         return {x[0].masked_fill(x[1], -1e9)};
       }},
      // Widths that ATen's own refuses; the last row belongs to no expert.
      {"_grouped_mm.default",
       {Random({6, 3}), Random({3, 3, 5}),
        at::tensor(std::vector<int64_t>{2, 2, 5}), at::Tensor()},
       {},
       [](const Tensors& x) -> Tensors {
         const auto part = [&x](int64_t begin, int64_t end, int64_t expert) {
           return at::mm(x[0].slice(0, begin, end), x[1].select(0, expert));
         };
         return {at::cat({part(0, 2, 0), part(2, 5, 2), at::zeros({1, 5})})};
       }},
      {"empty_like.default",
       {Random({2})},
       {},
       [](const Tensors& x) -> Tensors { return {at::zeros_like(x[0])}; }},
  };
}

TEST(Aten, ForwardAndGradientsAreThoseOfAutograd) {
  for (Case test : Cases()) {
    SCOPED_TRACE(test.name);
    if (!test.attributes) test.attributes = [](NodeMaker&) {};
    OneAtenNode(test).Check();
  }
}

// x[2,3] -> y[2,3] = x + x, and its sum.
ProgramMaker Sum() {
  ProgramMaker m;
  const int x = m.Parameter("x", {2, 3});
  const int y = m.Node("aten.add.Tensor", {x, x}, {{2, 3}}).output();
  m.Loss(m.Node("aten.sum.default", {y}, {{}}).output());
  return m;
}

std::string Refusal(const std::function<void(v1::Program&)>& edit) {
  ProgramMaker m = Sum();
  edit(m.program);
  const auto program = runtime::LocalProgram::Compile(m.program, {});
  EXPECT_FALSE(program.ok());
  EXPECT_EQ(program.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(program.status().message());
}

TEST(Aten, WhatTheSchemaDoesNotHaveIsRefusedByNodeAndArgument) {
  const auto set = [](const std::string& name, auto value) {
    return [=](v1::Program& program) {
      NodeMaker(*program.mutable_nodes(0)).Set(name, value);
    };
  };
  EXPECT_THAT(Refusal(set("beta", 1)),
              HasSubstr("node 0 (aten.add.Tensor in model.part): the operator "
                        "has no argument 'beta'"));
  EXPECT_THAT(Refusal(set("alpha", "two")),
              HasSubstr("argument 'alpha' has to be of type Scalar"));
  EXPECT_THAT(Refusal(set("other", 2)),
              HasSubstr("argument 'other' is a tensor, no attribute"));
  EXPECT_THAT(Refusal(set("tensors", Shape{1, 2})),
              HasSubstr("'tensors' counts 3 inputs, there are 2"));
  EXPECT_THAT(Refusal(set("tensors", Shape{2, 0})),
              HasSubstr("argument 'self' takes one tensor"));
  EXPECT_THAT(Refusal(set("tensors", Shape{2})),
              HasSubstr("argument 'self' takes one tensor"));
  EXPECT_THAT(Refusal(set("tensors", Shape{1, 1, 0})),
              HasSubstr("the operator takes 2 tensor arguments"));
  EXPECT_THAT(Refusal([](v1::Program& program) {
                for (int i = 0; i < 2; ++i) {
                  v1::Attribute& alpha =
                      *program.mutable_nodes(0)->add_attributes();
                  alpha.set_name("alpha");
                  alpha.set_integer(i);
                }
              }),
              HasSubstr("attribute 'alpha' appears twice"));
  EXPECT_THAT(Refusal([](v1::Program& program) {
                program.mutable_nodes(0)->set_inputs(1, -1);
              }),
              HasSubstr("argument 'other' cannot be absent"));
  EXPECT_THAT(Refusal([](v1::Program& program) {
                program.mutable_nodes(1)->set_operation("aten.sum.dim_IntList");
                NodeMaker(*program.mutable_nodes(1))
                    .Set("dim", Shape{0, 1})
                    .Set("dtype", "int3");
              }),
              HasSubstr("argument 'dtype' is no type that is known: 'int3'"));
}

TEST(Aten, OtherShapesOrKindsThanStatedAreRefused) {
  EXPECT_THAT(Refusal([](v1::Program& program) {
                program.mutable_values(1)->set_shape(0, 3);
              }),
              HasSubstr("output 0 has shape [2,3], the program says [3,3]"));
  EXPECT_THAT(Refusal([](v1::Program& program) {
                program.mutable_values(1)->set_kind(v1::Value::KIND_BOOL);
              }),
              HasSubstr("output 0 is of type Float, the program says "
                        "KIND_BOOL"));
  EXPECT_THAT(Refusal([](v1::Program& program) {
                constexpr int64_t kRows = int64_t{1} << 40;
                for (int i = 0; i < 2; ++i)
                  program.mutable_values(i)->set_shape(0, kRows);
                program.mutable_parameters(0)->set_shape(0, kRows);
              }),
              HasSubstr("beyond"));
  EXPECT_THAT(Refusal([](v1::Program& program) {
                program.mutable_nodes(0)->set_operation("aten.mm.default");
              }),
              HasSubstr("node 0 (aten.mm.default in model.part): "));
}

TEST(Aten, WhatHasEffectsElsewhereIsRefused) {
  for (const char* name :
       {"aten.add_.Tensor", "aten.add.out", "aten.from_file.default",
        "aten.set_.source_Storage", "aten.nonzero.default", "aten.nothing",
        "aten.", "aten.save.default", "aten.manual_seed.default",
        "aten.as_strided.default", "aten.rand_like.default"}) {
    EXPECT_THAT(Refusal([&](v1::Program& program) {
                  program.mutable_nodes(0)->set_operation(name);
                }),
                HasSubstr("is not among the ATen operators"))
        << name;
  }
  EXPECT_THAT(Refusal([](v1::Program& program) {
                v1::Node& node = *program.mutable_nodes(0);
                node.set_operation("aten.dropout.default");
                node.mutable_inputs()->RemoveLast();
                NodeMaker(node)
                    .Set("p", 0.5)
                    .Set("train", true)
                    .Set("tensors", Shape{1});
              }),
              HasSubstr("dropout is an operation of its own"));
}

TEST(Aten, TheSmallestIntegerIsNotDivided) {
  ProgramMaker m;
  const int x = m.Input("x", {1});
  const int y =
      m.Node("aten.floor_divide.default", {x}, {{1}}, v1::Value::KIND_INDEX)
          .Set("other", -1)
          .Set("tensors", Shape{1, 0})
          .output();
  const int z = m.Node("aten._to_copy.default", {y}, {{1}})
                    .Set("dtype", "float32")
                    .output();
  m.Loss(m.Node("aten.sum.default", {z}, {{}}).output());
  const auto program = runtime::LocalProgram::Compile(m.program, {});
  ASSERT_TRUE(program.ok()) << program.status();
  VectorStore store({});
  int64_t number = -6;
  const void* columns[] = {&number};
  EXPECT_EQ((*program)->Run(columns, {}, store).value_or(0), 6.0f);
  number = std::numeric_limits<int64_t>::min();
  EXPECT_THAT(
      std::string((*program)->Run(columns, {}, store).status().message()),
      HasSubstr("it divides the smallest integer"));
}

TEST(Aten, FloatsOfDifferentTypesAreWidenedAndRoundedToTheStatedKind) {
  // fp32 table times bf16 weight: the product is fp32, the sum of the second
  // value is rounded to bf16.
  ProgramMaker m;
  const int w = m.Parameter("w", {1});
  const int wide =
      m.Node("aten._to_copy.default", {w}, {{1}}, v1::Value::KIND_FLOAT32)
          .Set("dtype", "float32")
          .output();
  const int third =
      m.Node("aten.div.Scalar", {wide}, {{1}}, v1::Value::KIND_FLOAT32)
          .Set("other", 3.0)
          .output();
  const int product =
      m.Node("aten.matmul.default", {third, w}, {{}}, v1::Value::KIND_FLOAT32)
          .output();
  m.Loss(product);
  runtime::CompileOptions options;
  options.compute_type = runtime::ComputeType::kBFloat16;
  const auto program = runtime::LocalProgram::Compile(m.program, options);
  ASSERT_TRUE(program.ok()) << program.status();
  class Store final : public runtime::ParameterStore {
   public:
    void* Weight(int) override { return &weight; }
    runtime::GradientSlot Gradient(int) override {
      return {&gradient, std::exchange(written, true)};
    }
    absl::Status GradientDone(int) override { return absl::OkStatus(); }
    c10::BFloat16 weight{5.0f};
    float gradient = 0;
    bool written = false;
  } store;
  const auto loss = (*program)->Run({}, {}, store);
  ASSERT_TRUE(loss.ok()) << loss.status();
  EXPECT_FLOAT_EQ(*loss, 25.0f / 3);
  EXPECT_NEAR(store.gradient, 10.0f / 3, 0.02);  // each part rounded to bf16
}

TEST(Aten, EveryAllowedOperatorIsFunctionalAndKnown) {
  const auto allowed = runtime::AllowedAtenOperators();
  ASSERT_GT(allowed.size(), 100u);
  for (size_t i = 0; i < allowed.size(); ++i) {
    SCOPED_TRACE(std::string(allowed[i]));
    EXPECT_TRUE(i == 0 || allowed[i - 1] < allowed[i]);
    const size_t dot = allowed[i].rfind('.');
    const absl::string_view overload = allowed[i].substr(dot + 1);
    const auto found = c10::Dispatcher::singleton().findSchema(
        {absl::StrCat("aten::", allowed[i].substr(0, dot)),
         overload == "default" ? "" : std::string(overload)});
    ASSERT_TRUE(found.has_value());
    EXPECT_FALSE(found->schema().is_mutable());
    for (const c10::Argument& argument : found->schema().arguments()) {
      EXPECT_FALSE(argument.is_out());
      // A view may be returned; nothing may be written.
      const c10::AliasInfo* alias = argument.alias_info();
      EXPECT_TRUE(alias == nullptr || !alias->isWrite());
    }
    for (const c10::Argument& result : found->schema().returns()) {
      const std::string type = result.type()->str();
      EXPECT_TRUE(type == "Tensor" || type == "Tensor[]") << type;
    }
  }
}

}  // namespace
}  // namespace autotp::testing
