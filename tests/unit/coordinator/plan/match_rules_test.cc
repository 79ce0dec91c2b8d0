#include "coordinator/plan/match_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/coordinator/plan/plan_testing.h"

namespace autotp::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr auto kColumn = config::PartitionType::kColumn;
constexpr auto kRow = config::PartitionType::kRow;
constexpr auto kSkip = config::PartitionType::kSkip;

constexpr char kQ[] = "model.layers.0.self_attn.q_proj.weight";
constexpr char kQBias[] = "model.layers.0.self_attn.q_proj.bias";
constexpr char kO[] = "model.layers.0.self_attn.o_proj.weight";
constexpr char kOBias[] = "model.layers.0.self_attn.o_proj.bias";
constexpr char kDown[] = "model.layers.0.mlp.down_proj.weight";
constexpr char kNorm[] = "model.layers.0.input_layernorm.weight";
constexpr char kEmbedding[] = "model.embed_tokens.weight";
constexpr char kHead[] = "lm_head.weight";

TEST(MatchRulesTest, PresetOnLlamaNames) {
  config::TensorParallelRequest request = AtSize(2);
  request.preset_model = {"LLaMA", {}};
  const Placed placed = PlaceAll(request);
  EXPECT_EQ(placed.How(kQ), "column");
  EXPECT_EQ(placed.How(kQBias), "column");  // follows its weight
  EXPECT_EQ(placed.How("model.layers.0.self_attn.k_proj.weight"), "column");
  EXPECT_EQ(placed.How(kO), "row");
  EXPECT_EQ(placed.How(kOBias), "whole");  // added once, after the sum
  EXPECT_EQ(placed.How("model.layers.0.mlp.gate_proj.weight"), "column");
  EXPECT_EQ(placed.How(kDown), "row");
  EXPECT_EQ(placed.How(kNorm), "auto");
  EXPECT_EQ(placed.How(kEmbedding), "auto");
  EXPECT_EQ(placed.How(kHead), "auto");
  EXPECT_THAT(placed.Reasons(),
              ElementsAre("RULE_SOURCE", "VOCABULARY_PARALLEL"));
  EXPECT_EQ(placed.by_name.at(kO).rule, R"(.*\.self_attn\.o_proj\.weight$)");
  EXPECT_EQ(placed.by_name.at(kO).reason, "preset llama: row");
}

TEST(MatchRulesTest, VocabularyStaysWholeWhereAsked) {
  config::TensorParallelRequest request = AtSize(2);
  request.preset_model = {"llama", {}};
  request.vocabulary_parallel = config::VocabularyParallel::kNever;
  const Placed placed = PlaceAll(request);
  EXPECT_EQ(placed.How(kEmbedding), "whole");
  EXPECT_EQ(placed.How(kHead), "whole");
}

TEST(MatchRulesTest, VocabularyStaysWholeWithoutRulesToo) {
  config::TensorParallelRequest request = AtSize(2);
  request.vocabulary_parallel = config::VocabularyParallel::kNever;
  for (const bool tied : {false, true}) {
    const Placed placed =
        PlaceAll(request, TinyLlama(tied), {"no such family", {}});
    EXPECT_EQ(placed.rules.source, v1::RULE_SOURCE_HEURISTICS);
    EXPECT_EQ(placed.How(kEmbedding), "whole");
    EXPECT_EQ(placed.How(kHead), tied ? "absent" : "whole");
    EXPECT_EQ(placed.How(kQ), "auto");
  }
}

// What a rule says of the head, and what becomes of it.
TEST(MatchRulesTest, TrueCutsTheHeadWhateverItsRule) {
  struct Case {
    std::string pattern;  // "": no rule for the head
    config::PartitionType type;
    bool tied;
    std::string unless_ruled;  // of the head, or of the table that it shares
    bool superseded;
  };
  for (const Case& c : std::vector<Case>{
           {"lm_head", kSkip, false, "whole", true},
           {"lm_head", kRow, false, "row", true},
           {"lm_head", kColumn, false, "column", false},
           {"", kSkip, false, "auto", false},
           {"lm_head", kSkip, true, "whole", true},
           {".*embed_tokens", kSkip, true, "whole", true},
           // A table that is matched as such is cut over its width.
           {".*embed_tokens", kColumn, true, "row", true},
           {"lm_head", kColumn, true, "column", false},
           {"", kSkip, true, "auto", false}}) {
    config::TensorParallelRequest request =
        WithSpecs({Spec(".*q_proj", kColumn)});
    if (!c.pattern.empty())
      request.partition_config->specs.push_back(Spec(c.pattern, c.type));
    const std::string name = c.tied ? kEmbedding : kHead;
    const std::string described = c.pattern + (c.tied ? ", tied" : "");
    EXPECT_EQ(PlaceAll(request, TinyLlama(c.tied)).How(name), c.unless_ruled)
        << described;
    request.vocabulary_parallel = config::VocabularyParallel::kAlways;
    const Placed placed = PlaceAll(request, TinyLlama(c.tied));
    EXPECT_EQ(placed.How(name), "column") << described;
    EXPECT_FALSE(placed.diagnostics.has_error());
    EXPECT_EQ(placed.First("HEAD_RULE_SUPERSEDED").json_pointer(),
              c.superseded ? "/spec" : "")
        << described;
    if (!c.superseded) continue;
    const Placement& head = placed.by_name.at(name);
    EXPECT_EQ(head.trials[1].outcome, Trial::Outcome::kOverruled);
    EXPECT_EQ(head.reason,
              "vocab_parallel_lm_head is true: cut over the vocabulary");
  }
}

TEST(MatchRulesTest, TrueNeedsARowOfTheVocabularyForEachRank) {
  config::TensorParallelRequest request = AtSize(17);
  request.vocabulary_place = {"ds.json", "/vocab", 3, 4};
  EXPECT_FALSE(PlaceAll(request).diagnostics.has_error());
  request.vocabulary_parallel = config::VocabularyParallel::kAlways;
  const Placed placed = PlaceAll(request);
  const v1::Diagnostic error = placed.First("VOCABULARY_TOO_SMALL");
  EXPECT_EQ(error.severity(), v1::Diagnostic::SEVERITY_ERROR);
  EXPECT_EQ(error.json_pointer(), "/vocab");
  EXPECT_EQ(error.suggestion(),
            "set it to false, or autotp_size to at most 16");
}

TEST(MatchRulesTest, BuiltInPlanCutsTheVocabulary) {
  for (const bool tied : {false, true}) {
    const Placed placed = PlaceAll(AtSize(2), TinyLlama(tied));
    EXPECT_EQ(placed.How(kQ), "column");
    EXPECT_EQ(placed.How(kO), "row");
    EXPECT_EQ(placed.How(kEmbedding), "column") << tied;
    EXPECT_EQ(placed.How(kHead), tied ? "absent" : "column");
    EXPECT_THAT(placed.Reasons(), IsEmpty());
    EXPECT_EQ(placed.by_name.at(kQ).rule, "layers.*.self_attn.q_proj");
    EXPECT_EQ(placed.by_name.at(kQ).reason,
              "tp_plan of llama, layers.*.self_attn.q_proj colwise: column");
  }
}

TEST(MatchRulesTest, FirstMatchWinsAndOursComeBeforeThePreset) {
  config::TensorParallelRequest request =
      WithSpecs({Spec(".*down_proj", kSkip), Spec(".*proj", kColumn)});
  const Placed custom = PlaceAll(request);
  EXPECT_EQ(custom.How(kDown), "whole");
  EXPECT_EQ(custom.How(kO), "column");

  request = WithSpecs({Spec(".*down_proj", kSkip)});
  request.preset_model = {"llama", {}};
  const Placed both = PlaceAll(request);
  EXPECT_EQ(both.How(kDown), "whole");
  EXPECT_EQ(both.How(kO), "row");
  EXPECT_EQ(both.by_name.at(kDown).reason, "partition_config spec 0: whole");
}

TEST(MatchRulesTest, TheWholeNameIsMatchedFromItsStart) {
  const Placed placed = PlaceAll(WithSpecs(
      {Spec("self_attn", kColumn), Spec("model.*q_proj.weight$", kColumn)}));
  EXPECT_EQ(placed.How(kQ), "column");
  EXPECT_EQ(placed.How(kO), "whole");
  EXPECT_THAT(placed.Reasons(), Contains("RULE_MATCHES_NOTHING"));
}

TEST(MatchRulesTest, RulesThatMatchNothingAreReported) {
  const Placed nothing = PlaceAll(WithSpecs({Spec("decoder", kColumn)}));
  EXPECT_THAT(nothing.Reasons(), Contains("RULE_MATCHES_NOTHING"));
  EXPECT_THAT(nothing.Reasons(), Contains("NOTHING_MATCHES"));
  EXPECT_FALSE(nothing.diagnostics.has_error());

  const Placed shadowed =
      PlaceAll(WithSpecs({Spec(".*proj", kColumn), Spec(".*q_proj", kColumn)}));
  ASSERT_THAT(shadowed.Reasons(), Contains("RULE_MATCHES_NOTHING"));
  EXPECT_THAT(shadowed.Reasons(), Not(Contains("NOTHING_MATCHES")));

  config::TensorParallelRequest empty = WithSpecs({});
  EXPECT_THAT(PlaceAll(empty).Reasons(), Contains("NOTHING_MATCHES"));
}

TEST(MatchRulesTest, ModelTypesFilter) {
  config::LayerSpec other = Spec(".*q_proj", kColumn);
  other.model_types = {"bloom"};
  config::LayerSpec ours = Spec(".*q_proj", kRow);
  ours.model_types = {"llama", "bloom"};
  const Placed placed = PlaceAll(WithSpecs({other, ours}));
  EXPECT_EQ(placed.How(kQ), "row");
  EXPECT_THAT(placed.First("RULE_MATCHES_NOTHING").message(),
              HasSubstr("is for model types bloom; this is llama"));
}

TEST(MatchRulesTest, StrictModeNamesTheUnmatched) {
  config::TensorParallelRequest request =
      WithSpecs({Spec(".*layers.*proj", kColumn)});
  request.partition_config->strict_mode = true;
  const Placed placed = PlaceAll(request);
  ASSERT_TRUE(placed.diagnostics.has_error());
  // As in DeepSpeed the head counts, the embedding does not.
  EXPECT_EQ(placed.First("STRICT_MODE_UNMATCHED").message(),
            "strict_mode: no rule matches lm_head.weight");
  EXPECT_EQ(placed.First("STRICT_MODE_UNMATCHED").json_pointer(),
            "/partition_config");
  request = WithSpecs({Spec(".*proj", kColumn), Spec("lm_head", kColumn)});
  request.partition_config->strict_mode = true;
  EXPECT_FALSE(PlaceAll(request).diagnostics.has_error());
  // No preset has a rule for the head.
  request = WithSpecs({});
  request.preset_model = {"llama", {}};
  request.partition_config->strict_mode = true;
  EXPECT_EQ(PlaceAll(request).First("STRICT_MODE_UNMATCHED").message(),
            "strict_mode: no rule matches lm_head.weight");
}

TEST(MatchRulesTest, EmbeddingsAreCutOverTheirWidthAsInDeepSpeed) {
  const Placed placed = PlaceAll(WithSpecs({Spec(".*embed", kColumn)}));
  EXPECT_EQ(placed.How(kEmbedding), "row");  // dimension 1
  const Placed head =
      PlaceAll(WithSpecs({Spec("lm_head", kColumn)}), TinyLlama(true));
  EXPECT_EQ(head.How(kEmbedding), "column");  // by the head's name: its rows
}

TEST(MatchRulesTest, OverlapsAreNoted) {
  const Placed placed = PlaceAll(
      WithSpecs({Spec(".*q_proj", kColumn), Spec(".*[qk]_proj", kRow)}));
  EXPECT_EQ(placed.How(kQ), "column");
  EXPECT_EQ(placed.First("RULES_OVERLAP").message(),
            "partition_config spec 1 matches 2 parameters, 1 of which it does "
            "not place: the first rule that matches decides, and norms follow "
            "their values");
}

TEST(MatchRulesTest, EveryRuleTriedIsTold) {
  config::LayerSpec other = Spec(".*q_proj", kSkip);
  other.model_types = {"bloom"};
  config::TensorParallelRequest request =
      WithSpecs({other, Spec(".*up_proj", kColumn), Spec(".*layers", kRow),
                 Spec("lm_head", kColumn)});
  request.preset_model = {"llama", {}};
  const program::Program program = TinyLlama(/*tied=*/true);
  const Placed placed = PlaceAll(request, program);
  const auto texts = [&](const std::string& name) {
    const auto parameter =
        std::find_if(program.parameters.begin(), program.parameters.end(),
                     [&name](const auto& p) { return p.name == name; });
    std::vector<std::string> found;
    const std::vector<Trial>& trials = placed.by_name.at(name).trials;
    for (size_t i = 0; i < trials.size(); ++i) {
      found.push_back(TrialText(placed.rules, *parameter, trials, i));
    }
    return found;
  };
  const std::string no = "no pattern of it matches";
  EXPECT_THAT(
      texts(kQ),
      ElementsAre("only for model types bloom", no, "\".*layers\" matches: row",
                  no, no,
                  "\".*\\.self_attn\\.[qkv]_proj\\.weight$\" matches too, but "
                  "partition_config spec 2 decided before",
                  no, no));
  EXPECT_EQ(texts(kNorm)[2],
            "\".*layers\" matches, but such a vector has no cut of its own: it "
            "follows the values that it meets");
  EXPECT_EQ(texts(kEmbedding)[3],
            "\"lm_head\" matches its other name lm_head.weight: column");
  EXPECT_EQ(placed.by_name.at(kQBias).follows, kQ);
  EXPECT_THAT(placed.by_name.at(kQBias).trials, IsEmpty());
}

TEST(MatchRulesTest, HeuristicsAndSizeOneLeaveAllOpen) {
  for (const int64_t size : {1, 2}) {
    const Placed placed = PlaceAll(AtSize(size), TinyLlama(), {"stablelm", {}});
    EXPECT_EQ(placed.How(kQ), "auto");
    EXPECT_EQ(placed.How(kNorm), "auto");
    EXPECT_THAT(placed.Reasons(), IsEmpty());
  }
}

}  // namespace
}  // namespace autotp::plan
