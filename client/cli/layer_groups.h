// layer_groups.h -- names of identical layers as one name, for people. Pure.
#ifndef AUTOTP_CLIENT_CLI_LAYER_GROUPS_H_
#define AUTOTP_CLIENT_CLI_LAYER_GROUPS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace autotp::cli {

// "model.layers.3.mlp.up_proj.weight" -> "model.layers.*.mlp.up_proj.weight":
// the numbers between dots become stars.
std::string LayerPattern(absl::string_view name);

struct NamedText {
  std::string name;
  std::string text;  // all else that is said about it
};

struct LayerGroup {
  std::string names;            // "model.layers.{0..31}.mlp.up_proj.weight"
  std::vector<size_t> members;  // indices of what was given
};

// Names that differ in nothing but numbers, and have the same text, make one
// group; in the order of their first members.
std::vector<LayerGroup> GroupLayers(const std::vector<NamedText>& items);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_LAYER_GROUPS_H_
