#include "coordinator/program/position_shapes.h"

#include "proto/support/status_macros.h"

namespace autotp::program {

ShapeOutputs RotaryTableShapes(const Node& node) {
  const int64_t length = IntegerOf(node, "length");
  const auto half = static_cast<int64_t>(NumbersOf(node, "inv_freq").size());
  if (length <= 0 || half == 0)
    return Misfit("length ", length, " and ", half, " frequencies");
  const Value table{"", {length, 2 * half}, ValueKind::kFloat32};
  return std::vector<Value>{table, table};
}

ShapeOutputs RotaryShapes(Inputs in) {
  const Value& x = *in[0];
  AUTOTP_RETURN_IF_ERROR(NeedNumbers(in));
  AUTOTP_RETURN_IF_ERROR(NeedRank(x, 4, "x"));
  AUTOTP_RETURN_IF_ERROR(NeedRank(*in[1], 2, "cos"));
  const int64_t width = in[1]->shape[1];
  if (width > x.shape[3] || width % 2 != 0) {
    return Misfit("cos has ", width, " columns, x has ", x.shape[3],
                  " channels: needs an even part of them");
  }
  const Shape table = {x.shape[2], width};
  AUTOTP_RETURN_IF_ERROR(NeedShape(*in[1], table, "cos"));
  AUTOTP_RETURN_IF_ERROR(NeedShape(*in[2], table, "sin"));
  return One(x.shape, x.kind);
}

ShapeOutputs AlibiTableShapes(const Node& node) {
  const int64_t length = IntegerOf(node, "length");
  const auto heads = static_cast<int64_t>(NumbersOf(node, "slopes").size());
  if (length <= 0 || heads == 0)
    return Misfit("length ", length, " and ", heads, " slopes");
  return One({heads, length}, ValueKind::kFloat32);
}

}  // namespace autotp::program
