#include "coordinator/model/huggingface/layer_windows.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

namespace autotp::model {
namespace {

// As "layer_types" says; `window` 0: none is in use.
void ReadLayerTypes(ConfigReader& config, int64_t window,
                    std::vector<int64_t>* windows) {
  const std::vector<std::string> types = config.Texts("layer_types");
  if (config.status().ok() && types.size() != windows->size()) {
    config.Fail("layer_types",
                absl::StrCat("has ", types.size(), " entries for ",
                             windows->size(), " layers"));
    return;
  }
  for (size_t i = 0; i < types.size() && i < windows->size(); ++i) {
    if (types[i] == "full_attention") continue;
    if (types[i] != "sliding_attention") {
      config.Fail("layer_types",
                  absl::StrCat("has '", types[i], "', which is unknown"),
                  "known are full_attention and sliding_attention");
      return;
    }
    if (window == 0) {
      config.Fail("layer_types",
                  "has sliding_attention, but no window is in use",
                  "set 'use_sliding_window' to true and 'sliding_window'");
      return;
    }
    (*windows)[i] = window;
  }
}

}  // namespace

int64_t ReadWindow(ConfigReader& config, int64_t fallback) {
  if (config.IsNull("sliding_window")) return 0;
  if (fallback == 0 && !config.Has("sliding_window")) return 0;
  return config.Size("sliding_window", fallback);
}

std::vector<int64_t> ReadLayerWindows(ConfigReader& config, int64_t layers) {
  std::vector<int64_t> windows(static_cast<size_t>(layers), 0);
  // Without use_sliding_window the size is there, but does not count.
  const bool use = config.Flag("use_sliding_window", false);
  const int64_t window = use ? ReadWindow(config, 4096) : 0;
  if (config.Has("layer_types")) {
    ReadLayerTypes(config, window, &windows);
    return windows;
  }
  const std::optional<int64_t> whole = config.Integer("max_window_layers");
  for (int64_t i = whole.value_or(28); i < layers; ++i)
    if (i >= 0) windows[static_cast<size_t>(i)] = window;
  return windows;
}

std::vector<int64_t> ReadPatternWindows(ConfigReader& config, int64_t layers,
                                        int64_t window, int64_t pattern) {
  std::vector<int64_t> windows(static_cast<size_t>(layers), 0);
  window = ReadWindow(config, window);
  if (config.Has("layer_types")) {
    ReadLayerTypes(config, window, &windows);
    return windows;
  }
  const int64_t run = config.Size("sliding_window_pattern", pattern);
  for (int64_t i = 0; i < layers; ++i)
    if ((i + 1) % run != 0) windows[static_cast<size_t>(i)] = window;
  return windows;
}

}  // namespace autotp::model
