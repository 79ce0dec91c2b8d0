#include "coordinator/partition/aten_rules.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace autotp::partition {

using program::Attribute;
using program::kNoValue;
using program::Node;
using program::Program;
using program::ValueId;

namespace {

using Labels = std::vector<DimLabel>;
using Shape = std::vector<int64_t>;

constexpr size_t kMostLabels = 63;

// Each position of the result depends on the same position of the inputs,
// which broadcast.
constexpr absl::string_view kPointwise[] = {
    "_to_copy",    "abs",         "acos",       "add",          "addcdiv",
    "addcmul",     "alias",       "asin",       "atan",         "atan2",
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor",  "ceil",
    "celu",        "clamp",       "clamp_max",  "clamp_min",    "clone",
    "copy",        "cos",         "cosh",       "detach",       "div",
    "elu",         "empty_like",  "eq",         "erf",          "exp",
    "expm1",       "fill",        "floor",      "floor_divide", "fmod",
    "full_like",   "ge",          "gelu",       "gt",           "hardsigmoid",
    "hardswish",   "hardtanh",    "isinf",      "isnan",        "le",
    "leaky_relu",  "lerp",        "log",        "log1p",        "log_sigmoid",
    "logical_and", "logical_not", "logical_or", "logical_xor",  "lt",
    "masked_fill", "maximum",     "minimum",    "mish",         "mul",
    "nan_to_num",  "ne",          "neg",        "ones_like",    "pow",
    "reciprocal",  "relu",        "relu6",      "remainder",    "round",
    "rsqrt",       "rsub",        "selu",       "sgn",          "sigmoid",
    "sign",        "silu",        "sin",        "sinh",         "softplus",
    "softsign",    "sqrt",        "square",     "sub",          "tan",
    "tanh",        "threshold",   "trunc",      "where",        "xlogy",
    "zeros_like",  "__and__",     "__or__",     "__xor__"};

// The same, but for the dimension "dim".
constexpr absl::string_view kAlongDim[] = {
    "_log_softmax",  "_safe_softmax",  "_softmax", "cummax",
    "cumprod",       "cumsum",         "flip",     "glu",
    "log_softmax",   "logcumsumexp",   "roll",     "slice",
    "slice_scatter", "select_scatter", "softmax",  "sort",
    "topk",          "gather",         "diff",     "argsort"};

// The dimensions "dim" are gone, or of length one.
constexpr absl::string_view kReductions[] = {
    "all",    "amax",   "amin",      "any",
    "argmax", "argmin", "logsumexp", "max",
    "mean",   "min",    "norm",      "prod",
    "std",    "sum",    "var",       "linalg_vector_norm"};

template <size_t N>
bool IsIn(absl::string_view name, const absl::string_view (&names)[N]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

const Attribute* Find(const Node& node, absl::string_view name) {
  const auto found = node.attributes.find(name);
  return found == node.attributes.end() ? nullptr : &found->second;
}

// The dimensions that an attribute names, from the front; `fallback` if absent.
Shape DimsOf(const Node& node, absl::string_view name, size_t rank,
             const Shape& fallback) {
  const Attribute* found = Find(node, name);
  Shape dims = fallback;
  if (found != nullptr) {
    if (const auto* one = std::get_if<int64_t>(found)) dims = {*one};
    if (const auto* list = std::get_if<Shape>(found)) dims = *list;
  }
  for (int64_t& dim : dims)
    if (dim < 0) dim += static_cast<int64_t>(rank);
  return dims;
}

class Ruler {
 public:
  Ruler(const Program& program, const Node& node)
      : program_(program), node_(node) {
    const absl::string_view rest = absl::string_view(node.aten).substr(5);
    const size_t dot = rest.find('.', 1);
    name_ = rest.substr(0, std::min(dot, rest.size()));
    for (ValueId input : node.inputs) {
      shapes_.push_back(input == kNoValue ? Shape{}
                                          : program.values[input].shape);
      rule_.inputs.emplace_back(shapes_.back().size());
    }
    if (!node.outputs.empty()) out_ = program.values[node.outputs[0]].shape;
    rule_.output.resize(out_.size());
    next_ = static_cast<int>(out_.size());
  }

  PlacementRule Run() && {
    size_t dims = out_.size();
    for (const Shape& shape : shapes_) dims += shape.size();
    const bool many = dims > kMostLabels;
    if (many || node_.outputs.size() != 1 || !Known()) Block();
    return std::move(rule_);
  }

 private:
  bool Known() {
    if (IsIn(name_, kPointwise)) return Pointwise();
    if (IsIn(name_, kAlongDim)) return AlongDim();
    if (IsIn(name_, kReductions)) return Reduction();
    if (name_ == "tril" || name_ == "triu") return LastWhole(2);
    if (name_ == "layer_norm" || name_ == "rms_norm") return Norm();
    if (name_ == "pad" || name_ == "constant_pad_nd") return Pad();
    if (name_ == "matmul" || name_ == "bmm") return Product();
    if (name_ == "einsum") return Einsum();
    if (name_ == "scaled_dot_product_attention") return Attention();
    if (name_ == "index") return Index();
    if (name_ == "index_select") return IndexSelect();
    if (name_ == "conv1d" || name_ == "conv2d" || name_ == "conv3d")
      return Convolution();
    return false;
  }

  static uint64_t Bit(int label) { return uint64_t{1} << label; }

  // Labels of the output by its dimensions.
  void NumberOutput() {
    for (size_t d = 0; d < out_.size(); ++d)
      rule_.output[d].label = static_cast<int>(d);
  }

  // An input's dimensions as those of the output, counted from the right;
  // those of length one that are repeated have none.
  bool Align(size_t i) {
    const Shape& in = shapes_[i];
    if (in.size() > out_.size()) return false;
    const size_t lead = out_.size() - in.size();
    for (size_t d = 0; d < in.size(); ++d) {
      if (in[d] == out_[lead + d])
        rule_.inputs[i][d].label = static_cast<int>(lead + d);
      else if (in[d] != 1)
        return false;
    }
    return true;
  }

  bool Pointwise() {
    NumberOutput();
    for (size_t i = 0; i < shapes_.size(); ++i)
      if (!Align(i)) return false;
    return true;
  }

  // Both have the dimension in question, maybe of other lengths: each has a
  // label of its own for it, which stays whole.
  void KeepWhole(int64_t dim) {
    if (dim < 0) return;
    for (Labels& labels : rule_.inputs) {
      if (dim >= static_cast<int64_t>(labels.size())) continue;
      labels[dim].label = next_;
      rule_.blocked |= Bit(next_++);
    }
    if (dim < static_cast<int64_t>(out_.size()))
      rule_.blocked |= Bit(static_cast<int>(dim));
  }

  bool SameRank() const {
    return std::all_of(shapes_.begin(), shapes_.end(), [this](const Shape& s) {
      return s.size() == out_.size();
    });
  }

  // Labels where lengths agree; others are left to KeepWhole.
  void AlignEqual() {
    NumberOutput();
    for (size_t i = 0; i < shapes_.size(); ++i) {
      for (size_t d = 0; d < shapes_[i].size(); ++d) {
        if (shapes_[i][d] == out_[d])
          rule_.inputs[i][d].label = static_cast<int>(d);
      }
    }
  }

  bool AlongDim() {
    if (shapes_.empty()) return false;
    if (name_ == "select_scatter" && shapes_.size() == 2) {
      if (shapes_[0].size() != out_.size() ||
          shapes_[1].size() + 1 != out_.size())
        return false;
      shapes_.resize(1);  // the piece lacks the dimension
      const Shape dims = DimsOf(node_, "dim", out_.size(), {0});
      if (dims.size() != 1 || dims[0] < 0 ||
          dims[0] >= static_cast<int64_t>(out_.size()))
        return false;
      AlignEqual();
      int d = 0;
      for (DimLabel& label : rule_.inputs[1]) {
        if (d == dims[0]) ++d;
        label.label = d++;
      }
      rule_.blocked |= Bit(static_cast<int>(dims[0]));
      return true;
    }
    if (!SameRank()) return false;
    const bool last = name_ == "topk" || name_ == "sort" || name_ == "glu" ||
                      name_ == "diff" || name_ == "argsort";
    AlignEqual();
    const Shape dims =
        DimsOf(node_, name_ == "flip" || name_ == "roll" ? "dims" : "dim",
               out_.size(), {last ? -1 : 0});
    if (dims.size() > out_.size()) return false;
    for (const int64_t dim : dims) {
      if (dim < 0 || dim >= static_cast<int64_t>(out_.size())) return false;
      KeepWhole(dim);
    }
    return AllLabelled();
  }

  bool Reduction() {
    if (shapes_.size() != 1) return false;
    const Shape& in = shapes_[0];
    const auto rank = static_cast<int64_t>(in.size());
    Shape all;
    for (int64_t d = 0; d < rank; ++d) all.push_back(d);
    Shape dims = DimsOf(node_, "dim", in.size(), all);
    if (dims.empty()) dims = all;
    const bool keeps = in.size() == out_.size() && rank > 0;
    // Sums of a cut dimension are partial sums; others need it whole.
    const bool sums = name_ == "sum";
    size_t o = 0;
    for (int64_t d = 0; d < rank; ++d) {
      rule_.inputs[0][d].label = static_cast<int>(d);
      if (std::count(dims.begin(), dims.end(), d) != 0) {
        (sums ? rule_.summed : rule_.blocked) |= Bit(static_cast<int>(d));
        if (keeps) ++o;
        continue;
      }
      if (o >= out_.size() || out_[o] != in[d]) return false;
      rule_.output[o++].label = static_cast<int>(d);
    }
    return o == out_.size();
  }

  bool LastWhole(size_t count) {
    if (!Pointwise() || out_.size() < count) return false;
    for (size_t i = 1; i <= count; ++i)
      rule_.blocked |= Bit(static_cast<int>(out_.size() - i));
    return true;
  }

  bool Norm() {
    const Attribute* found = Find(node_, "normalized_shape");
    const auto* dims = found == nullptr ? nullptr : std::get_if<Shape>(found);
    return dims != nullptr && LastWhole(dims->size());
  }

  bool Pad() {
    const Attribute* found = Find(node_, "pad");
    const auto* pad = found == nullptr ? nullptr : std::get_if<Shape>(found);
    if (pad == nullptr || !SameRank() || shapes_.size() != 1) return false;
    AlignEqual();
    for (size_t i = 0; i < pad->size() / 2 && i < out_.size(); ++i)
      KeepWhole(static_cast<int64_t>(out_.size() - 1 - i));
    return AllLabelled();
  }

  bool AllLabelled() const {
    for (const Labels& labels : rule_.inputs)
      for (const DimLabel& label : labels)
        if (label.label == kNoLabel) return false;
    return true;
  }

  // [.., i, k] [.., k, j] -> [.., i, j].
  bool Product() {
    if (shapes_.size() != 2 || shapes_[0].size() < 2 || shapes_[1].size() < 2 ||
        out_.size() < std::max(shapes_[0].size(), shapes_[1].size()))
      return false;
    const size_t rows = shapes_[0].size() - 2;
    const size_t columns = shapes_[1].size() - 1;
    if (shapes_[0][rows] != out_[out_.size() - 2] ||
        shapes_[0][rows + 1] != shapes_[1][columns - 1] ||
        shapes_[1][columns] != out_.back())
      return false;
    NumberOutput();
    const int rank = static_cast<int>(out_.size());
    for (size_t i : {0, 1}) {
      const Shape& in = shapes_[i];
      const size_t lead = out_.size() - in.size();
      for (size_t d = 0; d + 2 < in.size(); ++d) {
        if (in[d] == out_[lead + d])
          rule_.inputs[i][d].label = static_cast<int>(lead + d);
      }
    }
    Labels& a = rule_.inputs[0];
    Labels& b = rule_.inputs[1];
    a[a.size() - 2].label = rank - 2;
    a.back().label = rank;
    b[b.size() - 2].label = rank;
    b.back().label = rank - 1;
    rule_.summed = Bit(rank);
    return true;
  }

  bool Einsum() {
    const Attribute* found = Find(node_, "equation");
    const auto* text =
        found == nullptr ? nullptr : std::get_if<std::string>(found);
    if (text == nullptr) return false;
    std::string equation;
    for (char c : *text)
      if (c != ' ') equation += c;
    const std::vector<std::string> sides = absl::StrSplit(equation, "->");
    if (sides.size() != 2) return false;
    const std::vector<std::string> terms = absl::StrSplit(sides[0], ',');
    if (terms.size() != shapes_.size()) return false;
    uint64_t seen = 0;
    std::array<int64_t, 26> lengths;
    lengths.fill(-1);
    const auto label = [&](const std::string& term, const Shape& shape,
                           Labels* labels) {
      if (term.size() != labels->size()) return false;
      for (size_t d = 0; d < term.size(); ++d) {
        if (std::islower(static_cast<unsigned char>(term[d])) == 0)
          return false;
        (*labels)[d].label = term[d] - 'a';
        if (term.find(term[d], d + 1) != std::string::npos) return false;
        seen |= Bit(term[d] - 'a');
        int64_t& length = lengths[term[d] - 'a'];
        if (length >= 0 && length != shape[d]) return false;  // it broadcasts
        length = shape[d];
      }
      return true;
    };
    for (size_t i = 0; i < terms.size(); ++i)
      if (!label(terms[i], shapes_[i], &rule_.inputs[i])) return false;
    rule_.summed = seen;
    if (!label(sides[1], out_, &rule_.output)) return false;
    for (const DimLabel& kept : rule_.output) rule_.summed &= ~Bit(kept.label);
    return true;
  }

  // q[b,h,t,d] k[b,h,s,d] v[b,h,s,e] mask[.., t, s] -> [b,h,t,e].
  bool Attention() {
    if (shapes_.size() < 3 || out_.size() != 4) return false;
    for (size_t i : {0, 1, 2}) {
      if (shapes_[i].size() != 4) return false;
      // Whatever is not labelled stays whole; so do fewer key heads.
      if (shapes_[i][0] != out_[0] || shapes_[i][1] != out_[1]) return false;
    }
    NumberOutput();
    enum { kBatch, kHead, kTime, kWidth, kKeyTime, kKeyWidth };
    const int labels[3][4] = {{kBatch, kHead, kTime, kKeyWidth},
                              {kBatch, kHead, kKeyTime, kKeyWidth},
                              {kBatch, kHead, kKeyTime, kWidth}};
    for (size_t i : {0, 1, 2})
      for (size_t d = 0; d < 4; ++d) rule_.inputs[i][d].label = labels[i][d];
    rule_.blocked = Bit(kTime) | Bit(kWidth) | Bit(kKeyTime) | Bit(kKeyWidth);
    if (shapes_.size() > 3 && !shapes_[3].empty()) {
      const Shape& mask = shapes_[3];
      if (mask.size() < 2 || mask.size() > 4) return false;
      const size_t lead = 4 - mask.size();
      for (size_t d = 0; d + 2 < mask.size(); ++d) {
        if (mask[d] == out_[lead + d])
          rule_.inputs[3][d].label = static_cast<int>(lead + d);
      }
      rule_.inputs[3][mask.size() - 2].label =
          mask[mask.size() - 2] == out_[2] ? kTime : kNoLabel;
      rule_.inputs[3][mask.size() - 1].label =
          mask[mask.size() - 1] == shapes_[1][2] ? kKeyTime : kNoLabel;
    }
    return true;
  }

  // x[.., i.., ..] with indices for neighbouring dimensions: these are whole.
  bool Index() {
    const Attribute* found = Find(node_, "tensors");
    const auto* counts = found == nullptr ? nullptr : std::get_if<Shape>(found);
    if (counts == nullptr || counts->size() != 2 || (*counts)[0] != 1 ||
        shapes_.size() < 2)
      return false;
    size_t first = shapes_.size();
    size_t last = 0;
    size_t rank = 0;
    for (size_t i = 1; i < shapes_.size(); ++i) {
      if (node_.inputs[i] == kNoValue) continue;
      if (program_.values[node_.inputs[i]].kind == program::ValueKind::kBool)
        return false;
      first = std::min(first, i - 1);
      last = std::max(last, i - 1);
      rank = std::max(rank, shapes_[i].size());
    }
    for (size_t i = first; i <= last; ++i)
      if (i + 1 >= shapes_.size() || node_.inputs[i + 1] == kNoValue)
        return false;
    NumberOutput();
    const Shape& x = shapes_[0];
    int next = static_cast<int>(out_.size());
    for (size_t d = 0; d < x.size(); ++d) {
      if (d >= first && d <= last) {
        rule_.inputs[0][d].label = next;
        rule_.blocked |= Bit(next++);
        continue;
      }
      const size_t o = d < first ? d : d - (last - first + 1) + rank;
      if (o >= out_.size() || out_[o] != x[d]) return false;
      rule_.inputs[0][d].label = static_cast<int>(o);
    }
    // Positions of the indices themselves stay whole too.
    for (size_t o = first; o < first + rank && o < out_.size(); ++o)
      rule_.blocked |= Bit(static_cast<int>(o));
    return true;
  }

  bool IndexSelect() {
    if (shapes_.size() != 2 || shapes_[0].size() != out_.size()) return false;
    const Shape dims = DimsOf(node_, "dim", out_.size(), {0});
    if (dims.size() != 1 || dims[0] < 0 ||
        dims[0] >= static_cast<int64_t>(out_.size()))
      return false;
    NumberOutput();
    for (size_t d = 0; d < out_.size(); ++d) {
      if (static_cast<int64_t>(d) != dims[0] && shapes_[0][d] != out_[d])
        return false;
      rule_.inputs[0][d].label = static_cast<int>(d);
    }
    const int own = static_cast<int>(out_.size());
    rule_.inputs[0][dims[0]].label = own;
    rule_.blocked |= Bit(own) | Bit(static_cast<int>(dims[0]));
    return true;
  }

  // x[b,c,..] w[n,c,..] bias[n] -> [b,n,..]; or each channel on its own.
  bool Convolution() {
    if (shapes_.size() < 2 || out_.size() < 3 ||
        shapes_[0].size() != out_.size() || shapes_[1].size() != out_.size())
      return false;
    NumberOutput();
    const int rank = static_cast<int>(out_.size());
    const bool depthwise = IsDepthwise(program_, node_);
    const Attribute* groups = Find(node_, "groups");
    if (!depthwise && groups != nullptr && *groups != Attribute(int64_t{1}))
      return false;
    Labels& x = rule_.inputs[0];
    Labels& w = rule_.inputs[1];
    x[0].label = 0;
    w[0].label = 1;
    x[1].label = depthwise ? 1 : rank;
    if (depthwise) {
      w[1].label = rank + 1;  // of length one
      rule_.blocked |= Bit(rank + 1);
    } else {
      w[1].label = rank;
      rule_.summed |= Bit(rank);
      rule_.after_sum = 2;
    }
    int next = rank + 2;
    for (int d = 2; d < rank; ++d) {
      rule_.blocked |= Bit(d);
      for (Labels* labels : {&x, &w}) {
        (*labels)[d].label = next;
        rule_.blocked |= Bit(next++);
      }
    }
    if (shapes_.size() > 2 && !shapes_[2].empty()) rule_.inputs[2][0].label = 1;
    return true;
  }

  // Nothing is known: every dimension is needed whole. What has no input is
  // made whole and sliced.
  void Block() {
    rule_ = {};
    for (ValueId input : node_.inputs) {
      rule_.inputs.emplace_back(
          input == kNoValue ? 0 : program_.values[input].shape.size());
    }
    rule_.output.assign(out_.size(), {});
    rule_.missing = !node_.inputs.empty();
  }

  const Program& program_;
  const Node& node_;
  absl::string_view name_;
  std::vector<Shape> shapes_;  // [input]
  Shape out_;
  PlacementRule rule_;
  int next_ = 0;  // a label that no dimension of the output has
};

// What a cut label could not be found again for is blocked.
void Close(PlacementRule* rule) {
  uint64_t kept = rule->summed | rule->blocked;
  for (const DimLabel& label : rule->output)
    if (label.label != kNoLabel) kept |= uint64_t{1} << label.label;
  for (const Labels& labels : rule->inputs) {
    for (const DimLabel& label : labels) {
      if (label.label != kNoLabel && (kept >> label.label & 1) == 0)
        rule->blocked |= uint64_t{1} << label.label;
    }
  }
}

}  // namespace

bool IsDepthwise(const Program& program, const Node& node) {
  const Attribute* found = Find(node, "groups");
  const auto* groups = found == nullptr ? nullptr : std::get_if<int64_t>(found);
  if (groups == nullptr || *groups <= 1 || node.inputs.size() < 2 ||
      node.inputs[0] == kNoValue || node.inputs[1] == kNoValue)
    return false;
  const Shape& x = program.values[node.inputs[0]].shape;
  const Shape& w = program.values[node.inputs[1]].shape;
  return x.size() > 1 && w.size() > 1 && x[1] == *groups && w[0] == *groups &&
         w[1] == 1;
}

PlacementRule AtenRule(const Program& program, const Node& node) {
  PlacementRule rule = Ruler(program, node).Run();
  Close(&rule);
  return rule;
}

}  // namespace autotp::partition
