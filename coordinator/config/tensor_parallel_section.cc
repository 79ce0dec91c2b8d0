// tensor_parallel_section.cc -- `tensor_parallel`, with its partition_config.
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "coordinator/config/layer_spec.h"
#include "coordinator/config/section_reader.h"
#include "coordinator/config/sections.h"

namespace autotp::config {
namespace {

constexpr int64_t kLargestSize = 1 << 16;

// `tp` (also written `tensor_parallel`) repeats the size, and has the grain.
void ReadInner(const JsonDocument& document, const JsonNode* section,
               TensorParallelRequest* request, Diagnostics* diagnostics) {
  if (section == nullptr) return;
  for (absl::string_view key : {"tp", "tensor_parallel"}) {
    const SectionReader inner(document, section->Find(key), diagnostics);
    request->grain = inner.Integer("tp_grain_size", 1).value_or(request->grain);
    const std::optional<int64_t> size =
        inner.Integer("tp_size", 1, kLargestSize);
    if (!size.has_value() || *size == 1 || *size == request->size) continue;
    diagnostics->Error(inner.PlaceOf("tp_size"),
                       "TENSOR_PARALLEL_SIZE_CONFLICT",
                       absl::StrCat("tp_size is ", *size,
                                    ", but autotp_size is ", request->size),
                       "take tp_size out");
  }
}

std::optional<PartitionConfig> ReadPartitionConfig(const JsonDocument& document,
                                                   const JsonNode* node,
                                                   Diagnostics* diagnostics) {
  const SectionReader section(document, node, diagnostics);
  // DeepSpeed takes an empty object as absent.
  if (!section.present() || node->members.empty()) return std::nullopt;
  PartitionConfig config;
  config.place = section.Place();
  config.use_default_specs =
      section.Boolean("use_default_specs").value_or(true);
  config.strict_mode = section.Boolean("strict_mode").value_or(false);
  const JsonNode* specs = section.Find("layer_specs");
  if (specs != nullptr && !specs->is_array()) {
    section.WrongType(*specs, "a list of specs is needed");
    return config;
  }
  if (specs != nullptr) {
    for (const JsonNode& spec : specs->elements) {
      config.specs.push_back(ReadLayerSpec(document, spec, diagnostics));
    }
  }
  return config;
}

}  // namespace

TensorParallelRequest ReadTensorParallel(const JsonDocument& document,
                                         Diagnostics* diagnostics) {
  const JsonNode* node = document.root().Find("tensor_parallel");
  const SectionReader section(document, node, diagnostics);
  TensorParallelRequest request;
  request.size_place = section.PlaceOf("autotp_size");
  if (!section.present()) return request;
  // DeepSpeed's 0 means "off", as 1 does.
  const int64_t size =
      section.Integer("autotp_size", 0, kLargestSize).value_or(0);
  request.size = size == 0 ? 1 : size;
  ReadInner(document, node, &request, diagnostics);
  if (std::optional<std::string> preset = section.Text("preset_model")) {
    request.preset_model = {*std::move(preset),
                            section.PlaceOf("preset_model")};
  }
  request.partition_config = ReadPartitionConfig(
      document, section.Find("partition_config"), diagnostics);
  request.vocabulary_place = section.PlaceOf("vocab_parallel_lm_head");
  if (const auto parallel = section.Boolean("vocab_parallel_lm_head")) {
    request.vocabulary_parallel =
        *parallel ? VocabularyParallel::kAlways : VocabularyParallel::kNever;
  }
  return request;
}

}  // namespace autotp::config
