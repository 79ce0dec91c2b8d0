#include "tests/fuzz/program_edits.h"

#include <cmath>
#include <limits>

namespace autotp::testing {
namespace {

int AnyIndex(int size, Random& random) {
  return static_cast<int>(random() % static_cast<uint64_t>(size));
}

void EditAttributes(v1::Node& node, Random& random) {
  if (node.attributes_size() > 0 && random() % 4 != 0) {
    v1::Attribute& attribute =
        *node.mutable_attributes(AnyIndex(node.attributes_size(), random));
    const std::string name = attribute.name();
    if (attribute.integers().values_size() > 0 && random() % 2 == 0) {
      auto& numbers = *attribute.mutable_integers()->mutable_values();
      numbers.Set(AnyIndex(numbers.size(), random), AnyInteger(random));
      return;
    }
    attribute.Clear();
    attribute.set_name(name);
    return SetAny(attribute, random);
  }
  v1::Attribute& attribute = *node.add_attributes();
  attribute.set_name(AnyOf(
      std::vector<std::string>{"dim", "size", "tensors", "alpha", "other",
                               "dtype", "", "self", "row_begin", "row_end",
                               "intervals", "window", "transposed", "dropout",
                               "stream", "groups", "top_groups", "summed"},
      random));
  SetAny(attribute, random);
}

void EditIds(google::protobuf::RepeatedField<int32_t>& ids, int values,
             Random& random) {
  const int id = random() % 3 == 0 ? static_cast<int>(AnyInteger(random))
                                   : AnyIndex(values, random);
  if (ids.empty() || random() % 4 == 0) return ids.Add(id);
  if (random() % 4 == 0) return ids.RemoveLast();
  ids.Set(AnyIndex(ids.size(), random), id);
}

void EditShape(google::protobuf::RepeatedField<int64_t>& shape,
               Random& random) {
  if (shape.empty() || random() % 8 == 0) return shape.Add(AnyInteger(random));
  if (random() % 8 == 0) return shape.RemoveLast();
  shape.Set(AnyIndex(shape.size(), random), AnyInteger(random));
}

void EditParameter(v1::Parameter& parameter, int values, Random& random) {
  switch (random() % 8) {
    case 0:
      return parameter.set_value(AnyIndex(values, random));
    case 1:
      return parameter.set_value(static_cast<int>(AnyInteger(random)));
    case 2:
      return EditShape(*parameter.mutable_shape(), random);
    case 3:
      return parameter.set_cut_dim(static_cast<int>(AnyInteger(random)));
    case 4: {
      v1::Interval& interval =
          parameter.intervals_size() > 0 && random() % 2 == 0
              ? *parameter.mutable_intervals(0)
              : *parameter.add_intervals();
      interval.set_begin(AnyInteger(random));
      return interval.set_end(AnyInteger(random));
    }
    case 5:
      return parameter.mutable_initialization()->set_zero_row(
          AnyInteger(random));
    case 6:
      return parameter.set_frozen(!parameter.frozen());
    default:
      return parameter.set_orthogonalized(!parameter.orthogonalized());
  }
}

}  // namespace

int64_t AnyInteger(Random& random) {
  static const auto* const traps =
      new std::vector<int64_t>{5,
                               7,
                               -2,
                               -7,
                               100,
                               -100,
                               1 << 20,
                               int64_t{1} << 31,
                               int64_t{1} << 33,
                               int64_t{1} << 62,
                               std::numeric_limits<int64_t>::max(),
                               std::numeric_limits<int64_t>::min()};
  if (random() % 4 != 0) return static_cast<int64_t>(random() % 5) - 1;
  return AnyOf(*traps, random);
}

double AnyNumber(Random& random) {
  static const auto* const numbers = new std::vector<double>{
      0, 1, -1, 0.5, 1e-6, 1e300, -1e300, std::nan(""), INFINITY};
  return AnyOf(*numbers, random);
}

std::string AnyText(Random& random) {
  static const auto* const texts = new std::vector<std::string>{
      "mean",    "sum",      "none",  "tanh",      "floor",   "trunc",
      "float32", "bool",     "int64", "bfloat16",  "same",    "constant",
      "reflect", "amax",     "",      "ij,jk->ik", "i...->i", "...",
      "add",     "multiply", "x",     "silu",      "gelu",    "soft_cap",
      "softmax", "sigmoid"};
  return AnyOf(*texts, random);
}

void SetAny(v1::Attribute& attribute, Random& random) {
  switch (random() % 6) {
    case 0:
      return attribute.set_integer(AnyInteger(random));
    case 1:
      return attribute.set_number(AnyNumber(random));
    case 2:
      return attribute.set_flag(random() % 2 == 0);
    case 3:
      return attribute.set_text(AnyText(random));
    case 4:
      for (uint64_t i = random() % 5; i > 0; --i)
        attribute.mutable_integers()->add_values(AnyInteger(random));
      return;
    default:
      for (uint64_t i = random() % 3; i > 0; --i)
        attribute.mutable_numbers()->add_values(AnyNumber(random));
  }
}

void EditProgram(const std::vector<std::string>& operations,
                 v1::Program& program, Random& random) {
  const int values = program.values_size();
  v1::Node& node =
      *program.mutable_nodes(AnyIndex(program.nodes_size(), random));
  v1::Value& value = *program.mutable_values(AnyIndex(values, random));
  switch (random() % 16) {
    case 0:
      return node.set_operation(AnyOf(operations, random));
    case 1:
      return node.set_operation(AnyOf(
          std::vector<std::string>{"aten.from_file.default", "aten.add_.Tensor",
                                   "aten.", "aten..", "", "aten.add.out",
                                   "aten", "teleport"},
          random));
    case 2:
    case 3:
      return EditIds(*node.mutable_inputs(), values, random);
    case 4:
      return EditIds(*node.mutable_outputs(), values, random);
    case 5:
    case 6:
      return EditShape(*value.mutable_shape(), random);
    case 7:
      return value.set_kind(static_cast<v1::Value::Kind>(random() % 6));
    case 8:
    case 9:
    case 10:
      return EditAttributes(node, random);
    case 11:
      return node.set_recompute_region(static_cast<int>(AnyInteger(random)));
    case 12:
      if (program.parameters_size() == 0) return;
      return EditParameter(*program.mutable_parameters(
                               AnyIndex(program.parameters_size(), random)),
                           values, random);
    case 13:
      return EditIds(*program.mutable_inputs(), values, random);
    case 14:
      return program.set_loss(random() % 2 == 0
                                  ? static_cast<int>(AnyInteger(random))
                                  : AnyIndex(values, random));
    default: {
      const int other = AnyIndex(program.nodes_size(), random);
      if (random() % 2 == 0) {
        program.mutable_nodes()->DeleteSubrange(other, 1);
        if (program.nodes_size() == 0) program.add_nodes();
        return;
      }
      node.Swap(program.mutable_nodes(other));
    }
  }
}

}  // namespace autotp::testing
