#include "tests/support/deepspeed_parser.h"

#include <algorithm>
#include <regex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace autotp::testing {
namespace {

using absl::StrContains;

constexpr char kNorm[] = "ln";  // how a layer norm stands in the list

bool IsNorm(const Module& module, bool at_top) {
  return module.kind == Module::Kind::kLayerNorm || module.key == "LayerNorm" ||
         module.key == "layer_norm" ||
         (at_top && (module.key == "ln_1" || module.key == "ln_2"));
}

// Linears as "parent.child", and norms, in the order of their definition.
void ListLayers(const std::string& parent, const std::vector<Module>& modules,
                bool at_top, std::vector<std::string>* layers) {
  for (const Module& module : modules) {
    if (module.kind == Module::Kind::kLinear) {
      layers->push_back(absl::StrCat(parent, ".", module.key));
    } else if (IsNorm(module, at_top)) {
      layers->push_back(kNorm);
    } else {
      ListLayers(module.key, module.children, false, layers);
    }
  }
}

// What a module prints has the names of all classes and keys within.
void AppendNames(const std::vector<Module>& modules, std::string* names) {
  for (const Module& module : modules) {
    absl::StrAppend(names, module.key, " ", module.type, " ");
    AppendNames(module.children, names);
  }
}

class Parser {
 public:
  explicit Parser(const ParserInput& input) : input_(input) {
    printed_ = input.type.substr(input.type.rfind('.') + 1);
    AppendNames(input.block, &printed_);
  }

  ParserOutput Run() {
    ParserOutput output;
    output.refused = FamilyRefused();
    if (!output.refused.empty()) return output;
    FindRows();
    if (rows_.empty()) {
      output.refused = "Not able to determine model policy automatically";
      return output;
    }
    Decide("", "", input_.block, &output);
    return output;
  }

 private:
  std::string FamilyRefused() const {
    static const std::set<std::string> refused = {
        "deberta", "flaubert",   "fsmt", "gpt2",
        "led",     "longformer", "xlm",  "xlnet"};
    std::smatch family;
    if (!std::regex_search(input_.head, family, std::regex(": (.*?)Model")) &&
        !std::regex_search(input_.head, family, std::regex(": (.*?)Stack")) &&
        !std::regex_search(input_.head, family, std::regex("^(.*?)Model")))
      return "Not able to determine model policy automatically";
    return refused.contains(absl::AsciiStrToLower(family[1].str()))
               ? "AutoTP not supported for model"
               : "";
  }

  bool IsRowByName(const std::string& layer) const {
    const auto in_model = [this](const char* word) {
      return StrContains(input_.head, word);
    };
    const auto in_type = [this](const char* word) {
      return StrContains(input_.type, word);
    };
    return StrContains(layer, "out_proj") || StrContains(layer, "o_proj") ||
           StrContains(layer, "down_proj") ||
           (StrContains(layer, "attention.dense") && in_model("GPTNeoX")) ||
           (StrContains(layer, "self_attention.dense") && in_type("falcon")) ||
           (StrContains(layer, "w2") && in_type("Mixtral")) ||
           (StrContains(layer, "self_attn.dense") && in_type("Phi")) ||
           (StrContains(layer, "self_attention.dense") &&
            in_model("ChatGLM")) ||
           (StrContains(layer, "dense_4h_to_h") && in_model("ChatGLM"));
  }

  // Those before a norm, around the end too, and those by name.
  void FindRows() {
    std::vector<std::string> layers;
    ListLayers("", input_.block, true, &layers);
    for (size_t i = 0; i < layers.size(); ++i) {
      const std::string& before = layers[i == 0 ? layers.size() - 1 : i - 1];
      if (layers[i] == kNorm) {
        if (before != kNorm) rows_.insert(before);
      } else if (IsRowByName(layers[i])) {
        rows_.insert(layers[i]);
      }
    }
  }

  bool IsSkipped(const std::string& name) const {
    return name == "mlp.gate" || name == "block_sparse_moe.gate" ||
           StrContains(name, "q_a_proj") ||
           StrContains(name, "kv_a_proj_with_mqa") ||
           (name == "mlp.shared_expert_gate" &&
            StrContains(input_.type, "qwen2_moe"));
  }

  std::string FusedLayout() const {
    static const std::map<std::string, std::string> layouts = {
        {"CodeGenBlock", "codegentype"},
        {"BloomBlock", "bloomtype"},
        {"GLMBlock", "glmtype"},
        {"MPTBlock", "glmtype"},
        {"MptBlock", "glmtype"},
        {"BaichuanLayer", "glmtype"},
        {"QWenBlock", "qwentype"},
        {"FalconDecoderLayer", "bloomtype"},
        {"GPTBigCodeBlock", "bigcodetype"},
        {"DecoderLayer", "glmtype"},
        {"Phi3DecoderLayer", "phi3type"}};
    std::string longest;
    for (const auto& [type, layout] : layouts) {
      if (type.size() > longest.size() && StrContains(printed_, type))
        longest = type;
    }
    return longest.empty() ? "None" : layouts.at(longest);
  }

  // `name`: of at most two parts, as the parser sees it.
  std::string Decision(const std::string& name) const {
    if (IsSkipped(name)) return "whole";
    if (StrContains(name, "gate_up_proj") ||
        (StrContains(name, "dense_h_to_4h") && StrContains(printed_, "GLM")))
      return "column, halves";
    if (rows_.contains(name) || StrContains(name, "down_proj") ||
        (StrContains(name, "w2") && StrContains(printed_, "Arctic")))
      return "row";
    for (const char* fused : {"qkv_proj", "query_key_value", "attn.Wqkv",
                              "self_attn.W_pack", "c_attn"}) {
      if (StrContains(name, fused))
        return absl::StrCat("column, fused as ", FusedLayout());
    }
    return "column";
  }

  void Decide(const std::string& path, const std::string& parent,
              const std::vector<Module>& modules, ParserOutput* output) const {
    for (const Module& module : modules) {
      const std::string full =
          path.empty() ? module.key : absl::StrCat(path, ".", module.key);
      if (module.kind == Module::Kind::kLinear) {
        output->decisions[full] =
            Decision(absl::StrCat(parent, ".", module.key));
      } else if (module.kind == Module::Kind::kConv1d) {
        output->decisions[full] = "whole";  // it sees linears only
      } else {
        Decide(full, module.key, module.children, output);
      }
    }
  }

  const ParserInput& input_;
  std::string printed_;
  std::set<std::string> rows_;
};

}  // namespace

ParserOutput ParseBlock(const ParserInput& input) {
  return Parser(input).Run();
}

}  // namespace autotp::testing
