#include "coordinator/config/layer_spec.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/section_reader.h"
#include "proto/support/nearest.h"

namespace autotp::config {
namespace {

// A list of strings, or one string.
std::vector<PlacedText> ReadTexts(const SectionReader& spec,
                                  absl::string_view key) {
  std::vector<PlacedText> texts;
  const JsonNode* node = spec.Find(key);
  if (node == nullptr) return texts;
  if (!node->is_array()) {
    spec.WrongType(*node, "a list of strings is needed");
    return texts;
  }
  for (const JsonNode& element : node->elements) {
    if (element.is_string()) {
      texts.push_back({element.text, spec.document().PlaceOf(element)});
    } else {
      spec.WrongType(element, "a string is needed");
    }
  }
  return texts;
}

PartitionType ReadType(const SectionReader& spec) {
  const std::string type = spec.Text("partition_type").value_or("column");
  const std::string name = absl::AsciiStrToLower(type);
  if (name == "column") return PartitionType::kColumn;
  if (name == "row") return PartitionType::kRow;
  if (name == "skip") return PartitionType::kSkip;
  const absl::string_view near = Nearest(name, {"column", "row", "skip"});
  spec.diagnostics()->Error(
      spec.PlaceOf("partition_type"), "UNKNOWN_PARTITION_TYPE",
      absl::StrCat("partition_type is \"", Shortened(type),
                   "\"; \"column\", \"row\" and \"skip\" are allowed"),
      near.empty() ? "" : absl::StrCat("write \"", near, "\""));
  return PartitionType::kSkip;
}

// The sizes of explicit blocks; empty after reporting.
std::vector<int64_t> ReadBlocks(const SectionReader& spec,
                                const JsonNode& node) {
  std::vector<int64_t> blocks;
  for (const JsonNode& element : node.elements) {
    if (element.kind != JsonNode::Kind::kInteger || element.integer <= 0) {
      spec.WrongType(element, "the size of a block, above 0, is needed");
      return {};
    }
    blocks.push_back(element.integer);
  }
  if (blocks.empty()) spec.WrongType(node, "at least one block is needed");
  return blocks;
}

void ReadShape(const SectionReader& reader, LayerSpec* spec) {
  const JsonNode* node = reader.Find("shape");
  if (node == nullptr) return;
  spec->shape_place = reader.PlaceOf("shape");
  if (!node->is_array() || node->elements.empty()) {
    reader.WrongType(*node, "a list of sizes is needed");
    return;
  }
  const auto length = static_cast<int64_t>(node->elements.size());
  if (spec->partition_dim >= length) {
    reader.diagnostics()->Error(
        reader.PlaceOf("shape"), "PARTITION_DIM_OUT_OF_RANGE",
        absl::StrCat("partition_dim ", spec->partition_dim,
                     " is not below the shape's length ", length),
        "add a dimension to shape, or lower partition_dim");
    return;
  }
  for (int64_t i = 0; i < length; ++i) {
    const JsonNode& element = node->elements[i];
    if (element.is_array()) {
      if (i != spec->partition_dim) {
        reader.WrongType(element,
                         absl::StrCat("blocks are allowed at partition_dim ",
                                      spec->partition_dim, " only"));
      }
      spec->shape.emplace_back(ReadBlocks(reader, element));
    } else if (element.kind == JsonNode::Kind::kInteger &&
               (element.integer > 0 || element.integer == -1)) {
      spec->shape.emplace_back(element.integer);
    } else {
      reader.WrongType(element, "a size above 0, or -1, is needed");
      spec->shape.emplace_back(int64_t{-1});
    }
  }
}

}  // namespace

LayerSpec ReadLayerSpec(const JsonDocument& document, const JsonNode& node,
                        Diagnostics* diagnostics) {
  LayerSpec spec;
  spec.place = document.PlaceOf(node);
  const SectionReader reader(document, &node, diagnostics);
  if (!reader.present()) return spec;
  spec.patterns = ReadTexts(reader, "patterns");
  const JsonNode* patterns = reader.Find("patterns");
  if (patterns == nullptr ||
      (patterns->is_array() && patterns->elements.empty())) {
    diagnostics->Error(spec.place, "SPEC_WITHOUT_PATTERNS",
                       "a layer spec without patterns matches nothing",
                       "add \"patterns\": [\".*q_proj\\\\.weight$\"]");
  }
  spec.type = ReadType(reader);
  spec.gather_output = reader.Boolean("gather_output").value_or(false);
  spec.grad_allreduce = reader.Boolean("grad_allreduce").value_or(false);
  spec.partition_dim =
      reader.Integer("partition_dim", 0, 16)
          .value_or(spec.type == PartitionType::kColumn ? 0 : 1);
  ReadShape(reader, &spec);
  for (PlacedText& type : ReadTexts(reader, "model_types")) {
    spec.model_types.push_back(absl::AsciiStrToLower(type.text));
  }
  return spec;
}

}  // namespace autotp::config
