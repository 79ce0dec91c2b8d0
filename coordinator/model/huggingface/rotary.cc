#include "coordinator/model/huggingface/rotary.h"

#include <cmath>

#include "absl/strings/str_cat.h"

namespace autotp::model {
namespace {

// A positive number below `section`, which has to be there.
double Needed(ConfigReader& config, const std::string& section,
              absl::string_view name) {
  const std::string key = absl::StrCat(section, "/", name);
  const double value = config.Number(key, 0);
  if (value > 0) return value;
  config.Fail(key, config.Has(key) ? "has to be positive"
                                   : "is missing, this rope type needs it");
  return 1;
}

void ReadLlama3(ConfigReader& config, const std::string& section,
                int64_t positions, RotaryConfig* rotary) {
  rotary->factor = Needed(config, section, "factor");
  rotary->low_freq_factor = Needed(config, section, "low_freq_factor");
  rotary->high_freq_factor = Needed(config, section, "high_freq_factor");
  if (rotary->high_freq_factor <= rotary->low_freq_factor) {
    config.Fail(absl::StrCat(section, "/high_freq_factor"),
                "has to be larger than low_freq_factor");
  }
  rotary->original_positions = config.Size(
      absl::StrCat(section, "/original_max_position_embeddings"), positions);
}

// llama3: long wavelengths are divided by the factor, short ones kept, those
// between are blended.
float Llama3Frequency(const RotaryConfig& rotary, float inv_freq) {
  const float low = static_cast<float>(rotary.low_freq_factor);
  const float factor = static_cast<float>(rotary.factor);
  const auto context = static_cast<double>(rotary.original_positions);
  const auto low_wavelength =
      static_cast<float>(context / rotary.low_freq_factor);
  const auto high_wavelength =
      static_cast<float>(context / rotary.high_freq_factor);
  const auto span =
      static_cast<float>(rotary.high_freq_factor - rotary.low_freq_factor);
  // A number over a tensor is the tensor's reciprocal times the number there.
  const float wavelength = 1.0F / inv_freq * static_cast<float>(2 * M_PI);
  if (wavelength > low_wavelength) return inv_freq / factor;
  if (wavelength < high_wavelength) return inv_freq;
  const float smooth =
      (1.0F / wavelength * static_cast<float>(context) - low) / span;
  return (1.0F - smooth) * inv_freq / factor + smooth * inv_freq;
}

}  // namespace

RotaryConfig ReadRotary(ConfigReader& config, double default_theta,
                        int64_t positions) {
  RotaryConfig rotary;
  const std::string section =
      config.IsSection("rope_scaling") ? "rope_scaling" : "rope_parameters";
  const bool present = config.IsSection(section);
  const auto inside = [&section](absl::string_view name) {
    return absl::StrCat(section, "/", name);
  };
  rotary.theta = config.Number(inside("rope_theta"),
                               config.Number("rope_theta", default_theta));
  if (!(rotary.theta > 0)) {
    config.Fail(
        config.Has(inside("rope_theta")) ? inside("rope_theta") : "rope_theta",
        "has to be positive");
  }
  if (!present) return rotary;
  for (absl::string_view layers : {"full_attention", "sliding_attention"}) {
    if (config.Has(inside(layers))) {
      config.Fail(inside(layers),
                  "sets rotary embeddings per layer type, "
                  "which this model type does not have yet");
    }
  }
  if (config.Number(inside("partial_rotary_factor"), 1) != 1) {
    config.Fail(inside("partial_rotary_factor"),
                "has to be 1 for this model type");
  }
  const std::string type =
      config.Text(inside("rope_type"), config.Text(inside("type"), "default"));
  if (type == "default") return rotary;
  if (type == "linear") {
    rotary.type = RotaryConfig::Type::kLinear;
    rotary.factor = Needed(config, section, "factor");
  } else if (type == "llama3") {
    rotary.type = RotaryConfig::Type::kLlama3;
    ReadLlama3(config, section, positions, &rotary);
  } else {
    config.Fail(inside(config.Has(inside("rope_type")) ? "rope_type" : "type"),
                absl::StrCat("is '", type, "', which is not supported yet"),
                "supported are default, linear and llama3");
  }
  return rotary;
}

std::vector<double> InverseFrequencies(const RotaryConfig& rotary,
                                       int64_t head_width) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < head_width; i += 2) {
    const float exponent =
        static_cast<float>(i) / static_cast<float>(head_width);
    const double base = static_cast<float>(rotary.theta);
    float inv_freq = 1.0F / static_cast<float>(std::pow(base, exponent));
    if (rotary.type == RotaryConfig::Type::kLinear)
      inv_freq /= static_cast<float>(rotary.factor);
    if (rotary.type == RotaryConfig::Type::kLlama3)
      inv_freq = Llama3Frequency(rotary, inv_freq);
    frequencies.push_back(inv_freq);
  }
  return frequencies;
}

}  // namespace autotp::model
