#include "coordinator/model/huggingface/rotary.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace autotp::model {

using Type = RotaryConfig::Type;

namespace {

// Reads the keys below `section`, the last argument of each type's rule.
class SectionReader {
 public:
  SectionReader(ConfigReader& config, const std::string& section,
                const RotaryDefaults& defaults, int64_t positions)
      : config_(config),
        section_(section),
        defaults_(defaults),
        positions_(positions) {}

  std::string Inside(absl::string_view name) const {
    return absl::StrCat(section_, "/", name);
  }

  RotaryConfig Read(int64_t head_width) {
    RotaryConfig rotary;
    rotary.positions = positions_;
    rotary.theta = ReadTheta();
    rotary.width = ReadWidth(head_width);
    if (config_.IsSection(section_)) ReadType(&rotary);
    return rotary;
  }

 private:
  double ReadTheta() {
    const std::string inside = Inside("rope_theta");
    const double theta = config_.Number(
        inside, config_.Number(defaults_.theta_key, defaults_.theta));
    if (!(theta > 0)) {
      config_.Fail(config_.Has(inside) ? inside : defaults_.theta_key,
                   "has to be positive");
      return 1;
    }
    return theta;
  }

  int64_t ReadWidth(int64_t head_width) {
    const std::string inside = Inside("partial_rotary_factor");
    const double share = config_.Number(
        inside, config_.Number(defaults_.share_key, defaults_.share));
    const absl::string_view key =
        config_.Has(inside) ? inside : defaults_.share_key;
    if (!defaults_.partial && share != 1) {
      config_.Fail(key, "has to be 1 for this model type");
      return head_width;
    }
    if (!(share > 0 && share <= 1)) {
      config_.Fail(key, "has to be above 0 and at most 1");
      return head_width;
    }
    const auto width =
        static_cast<int64_t>(static_cast<double>(head_width) * share);
    if (width >= 2 && width % 2 == 0) return width;
    config_.Fail(key, absl::StrCat("rotates ", width, " of a head's ",
                                   head_width, " channels, it needs pairs"));
    return head_width;
  }

  void ReadType(RotaryConfig* rotary) {
    const absl::string_view key =
        config_.Has(Inside("rope_type")) ? "rope_type" : "type";
    const std::string type = config_.Text(Inside(key), "default");
    if (type == "default") return;
    if (type == "linear") {
      rotary->type = Type::kLinear;
      rotary->factor = Needed("factor");
    } else if (type == "dynamic") {
      rotary->type = Type::kDynamic;
      rotary->factor = Needed("factor");
    } else if (type == "longrope" || type == "su" ||
               (type == "yarn" && defaults_.yarn_means_longrope)) {
      rotary->type = Type::kLongRope;
      ReadLongRope(rotary);
    } else if (type == "yarn") {
      rotary->type = Type::kYarn;
      ReadYarn(rotary);
    } else if (type == "llama3") {
      rotary->type = Type::kLlama3;
      ReadLlama3(rotary);
    } else {
      config_.Fail(Inside(key),
                   absl::StrCat("is '", type, "', which is unknown"),
                   "known are default, linear, dynamic, yarn, longrope and "
                   "llama3");
    }
  }

  void ReadLlama3(RotaryConfig* rotary) {
    rotary->factor = Needed("factor");
    rotary->low_freq_factor = Needed("low_freq_factor");
    rotary->high_freq_factor = Needed("high_freq_factor");
    if (rotary->high_freq_factor <= rotary->low_freq_factor) {
      config_.Fail(Inside("high_freq_factor"),
                   "has to be larger than low_freq_factor");
    }
    rotary->original_positions = ReadOriginalPositions();
  }

  void ReadYarn(RotaryConfig* rotary) {
    rotary->original_positions = ReadOriginalPositions();
    rotary->factor = ReadFactor(rotary->original_positions);
    const double mscale = config_.Number(Inside("mscale"), 0);
    const double mscale_all = config_.Number(Inside("mscale_all_dim"), 0);
    const auto magnitude = [rotary](double scale) {
      return rotary->factor <= 1 ? 1.0
                                 : 0.1 * scale * std::log(rotary->factor) + 1;
    };
    rotary->table_scale =
        config_.Number(Inside("attention_factor"),
                       mscale != 0 && mscale_all != 0
                           ? magnitude(mscale) / magnitude(mscale_all)
                           : magnitude(1));
    // The pair whose wave turns `turns` times within the original positions.
    const auto pair = [&](absl::string_view key, double fallback) {
      double turns = config_.Number(Inside(key), fallback);
      if (turns == 0) turns = fallback;
      return static_cast<double>(rotary->width) *
             std::log(static_cast<double>(rotary->original_positions) /
                      (turns * 2 * M_PI)) /
             (2 * std::log(rotary->theta));
    };
    double begin = pair("beta_fast", 32);
    double end = pair("beta_slow", 1);
    if (config_.Flag(Inside("truncate"), true)) {
      begin = std::floor(begin);
      end = std::ceil(end);
    }
    rotary->ramp_begin = std::max(begin, 0.0);
    rotary->ramp_end = std::min(end, static_cast<double>(rotary->width - 1));
    // A ramp of no length is a step.
    if (rotary->ramp_begin == rotary->ramp_end) rotary->ramp_end += 0.001;
  }

  void ReadLongRope(RotaryConfig* rotary) {
    rotary->original_positions = ReadOriginalPositions();
    rotary->factor = ReadFactor(rotary->original_positions);
    const double stretch =
        rotary->factor <= 1
            ? 1
            : std::sqrt(1 + std::log(rotary->factor) /
                                std::log(static_cast<double>(
                                    rotary->original_positions)));
    rotary->table_scale = config_.Number(Inside("attention_factor"), stretch);
    rotary->short_factors = ReadFactors("short_factor", rotary->width / 2);
    rotary->long_factors = ReadFactors("long_factor", rotary->width / 2);
  }

  // A positive number, which has to be there.
  double Needed(absl::string_view name) {
    const std::string key = Inside(name);
    const double value = config_.Number(key, 0);
    if (value > 0) return value;
    config_.Fail(key, config_.Has(key) ? "has to be positive"
                                       : "is missing, this rope type needs it");
    return 1;
  }

  // Absent: how much longer sequences may be than at first.
  double ReadFactor(int64_t original_positions) {
    if (config_.Has(Inside("factor"))) return Needed("factor");
    return static_cast<double>(positions_) /
           static_cast<double>(original_positions);
  }

  // A key beside the section goes before the one in it.
  int64_t ReadOriginalPositions() {
    constexpr absl::string_view kKey = "original_max_position_embeddings";
    if (config_.Has(kKey) || defaults_.original_positions > 0)
      return config_.Size(kKey, defaults_.original_positions);
    return config_.Size(Inside(kKey), positions_);
  }

  std::vector<double> ReadFactors(absl::string_view name, int64_t count) {
    const std::string key = Inside(name);
    std::vector<double> factors = config_.Numbers(key);
    bool positive = true;
    for (double factor : factors) positive = positive && factor > 0;
    if (static_cast<int64_t>(factors.size()) == count && positive)
      return factors;
    config_.Fail(key, absl::StrCat("needs ", count, " positive numbers, has ",
                                   factors.size()));
    return std::vector<double>(static_cast<size_t>(count), 1);
  }

  ConfigReader& config_;
  const std::string& section_;
  const RotaryDefaults& defaults_;
  const int64_t positions_;
};

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

// yarn: pairs before the ramp are kept, those after it divided.
float YarnFrequency(const RotaryConfig& rotary, float power, int64_t pair) {
  const float divided = 1.0F / (static_cast<float>(rotary.factor) * power);
  const float along =
      (static_cast<float>(pair) - static_cast<float>(rotary.ramp_begin)) /
      static_cast<float>(rotary.ramp_end - rotary.ramp_begin);
  const float kept = 1.0F - std::min(std::max(along, 0.0F), 1.0F);
  return divided * (1.0F - kept) + 1.0F / power * kept;
}

// dynamic: sequences beyond max_position_embeddings raise the base.
double DynamicTheta(const RotaryConfig& rotary, int64_t tokens) {
  const auto length = static_cast<double>(std::max(tokens, rotary.positions));
  const auto width = static_cast<double>(rotary.width);
  const double stretch =
      rotary.factor * length / static_cast<double>(rotary.positions) -
      (rotary.factor - 1);
  return rotary.theta * std::pow(stretch, width / (width - 2));
}

}  // namespace

RotaryConfig ReadRotarySection(ConfigReader& config, const std::string& section,
                               const RotaryDefaults& defaults,
                               int64_t head_width, int64_t positions) {
  return SectionReader(config, section, defaults, positions).Read(head_width);
}

RotaryConfig ReadRotary(ConfigReader& config, const RotaryDefaults& defaults,
                        int64_t head_width, int64_t positions) {
  const std::string section =
      config.IsSection("rope_scaling") ? "rope_scaling" : "rope_parameters";
  if (config.IsSection(section)) {
    for (absl::string_view layers : {"full_attention", "sliding_attention"}) {
      const std::string key = absl::StrCat(section, "/", layers);
      if (!config.Has(key)) continue;
      config.Fail(key,
                  "sets rotary embeddings per layer type, "
                  "which this model type does not have");
    }
  }
  return ReadRotarySection(config, section, defaults, head_width, positions);
}

std::vector<double> InverseFrequencies(const RotaryConfig& rotary,
                                       int64_t tokens) {
  const std::vector<double>& factors = tokens > rotary.original_positions
                                           ? rotary.long_factors
                                           : rotary.short_factors;
  const double theta = rotary.type == Type::kDynamic
                           ? DynamicTheta(rotary, tokens)
                           : rotary.theta;
  std::vector<double> frequencies;
  for (int64_t i = 0; i < rotary.width; i += 2) {
    const float exponent =
        static_cast<float>(i) / static_cast<float>(rotary.width);
    const double base = static_cast<float>(theta);
    const auto power = static_cast<float>(std::pow(base, exponent));
    float inv_freq = 1.0F / power;
    if (rotary.type == Type::kLinear)
      inv_freq /= static_cast<float>(rotary.factor);
    if (rotary.type == Type::kLlama3)
      inv_freq = Llama3Frequency(rotary, inv_freq);
    if (rotary.type == Type::kYarn)
      inv_freq = YarnFrequency(rotary, power, i / 2);
    if (rotary.type == Type::kLongRope)
      inv_freq =
          1.0F / (static_cast<float>(factors[frequencies.size()]) * power);
    frequencies.push_back(inv_freq);
  }
  return frequencies;
}

}  // namespace autotp::model
