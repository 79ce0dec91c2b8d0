// layer_spec.h -- one entry of partition_config.layer_specs.
#ifndef AUTOTP_COORDINATOR_CONFIG_LAYER_SPEC_H_
#define AUTOTP_COORDINATOR_CONFIG_LAYER_SPEC_H_

#include "coordinator/config/diagnostics.h"
#include "coordinator/config/json_document.h"
#include "coordinator/config/tensor_parallel_request.h"

namespace autotp::config {

// Checks types, names of partition types and the form of `shape`; whether a
// pattern is one, and a shape fits, is plan/'s to say.
LayerSpec ReadLayerSpec(const JsonDocument& document, const JsonNode& node,
                        Diagnostics* diagnostics);

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_LAYER_SPEC_H_
