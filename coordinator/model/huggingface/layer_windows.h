// layer_windows.h -- which layers see a window of tokens, and how wide it is.
#ifndef AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_LAYER_WINDOWS_H_
#define AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_LAYER_WINDOWS_H_

#include <cstdint>
#include <vector>

#include "coordinator/model/huggingface/config_reader.h"

namespace autotp::model {

// One window for all layers, or none: an absent key is `fallback` (0: none),
// an explicit null none.
int64_t ReadWindow(ConfigReader& config, int64_t fallback);

// The window of each layer (0: none) of families with "layer_types",
// "use_sliding_window", "max_window_layers" and "sliding_window".
std::vector<int64_t> ReadLayerWindows(ConfigReader& config, int64_t layers);

// The same of families whose layers are cut into runs of `pattern`, the last
// of each run without a window, unless "layer_types" says otherwise.
// "sliding_window_pattern" goes before `pattern`; `window`: the class' size.
std::vector<int64_t> ReadPatternWindows(ConfigReader& config, int64_t layers,
                                        int64_t window, int64_t pattern);

}  // namespace autotp::model

#endif  // AUTOTP_COORDINATOR_MODEL_HUGGINGFACE_LAYER_WINDOWS_H_
