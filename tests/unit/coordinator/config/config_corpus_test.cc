// The corpus: files as public projects write them, each with what is said
// about it (NAME.outcome), and each with every key bent in four ways.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "coordinator/config/json_document.h"
#include "tests/support/golden.h"
#include "tests/unit/coordinator/config/config_testing.h"

namespace autotp::config {
namespace {

namespace fs = std::filesystem;

struct CorpusFile {
  std::string name;
  std::string text;
  std::string head;  // first line of the outcome: "world 8 max_steps 100"
  JobFacts job;
};

std::string ReadText(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<CorpusFile> Corpus() {
  std::vector<CorpusFile> corpus;
  for (const auto& entry :
       fs::directory_iterator(testing::GoldenPath("configs"))) {
    if (entry.path().extension() != ".json") continue;
    CorpusFile file;
    file.name = entry.path().stem().string();
    file.text = ReadText(entry.path());
    fs::path outcome = entry.path();
    outcome.replace_extension(".outcome");
    const std::string known = ReadText(outcome);
    file.head = known.substr(0, known.find('\n'));
    const std::vector<std::string> words = absl::StrSplit(file.head, ' ');
    if (words.size() == 4) {
      EXPECT_TRUE(absl::SimpleAtoi(words[1], &file.job.world_size));
      EXPECT_TRUE(absl::SimpleAtoi(words[3], &file.job.max_steps));
    } else {
      ADD_FAILURE() << outcome << " begins with: world N max_steps N";
    }
    corpus.push_back(std::move(file));
  }
  std::sort(
      corpus.begin(), corpus.end(),
      [](const CorpusFile& a, const CorpusFile& b) { return a.name < b.name; });
  return corpus;
}

Diagnostics Diagnose(const std::string& text, const JobFacts& job) {
  Diagnostics diagnostics;
  ReadConfig(text, "ds.json", job, &diagnostics);
  return diagnostics;
}

std::string Outcome(const CorpusFile& file) {
  const Diagnostics diagnostics = Diagnose(file.text, file.job);
  std::string text = absl::StrCat(
      file.head, "\n", diagnostics.has_error() ? "invalid" : "valid", "\n");
  const std::pair<const char*, v1::Diagnostic::Severity> severities[] = {
      {"error", v1::Diagnostic::SEVERITY_ERROR},
      {"warning", v1::Diagnostic::SEVERITY_WARNING},
      {"note", v1::Diagnostic::SEVERITY_NOTE}};
  for (const auto& [word, severity] : severities) {
    for (const std::string& found : Found(diagnostics, severity)) {
      absl::StrAppend(&text, word, " ", found, "\n");
    }
  }
  return text;
}

TEST(ConfigCorpusTest, EveryFileHasItsOutcome) {
  const std::vector<CorpusFile> corpus = Corpus();
  EXPECT_GE(corpus.size(), 37u);
  for (const CorpusFile& file : corpus) {
    testing::ExpectGolden(absl::StrCat("configs/", file.name, ".outcome"),
                          Outcome(file));
  }
}

// One change to a text, and where the finding must stand.
struct Mutation {
  std::string text;
  std::string pointer;
  int line = 0;
};

class Mutator {
 public:
  Mutator(const CorpusFile& file, const JsonDocument& document)
      : file_(file), document_(document) {}

  using Visit = std::function<void(const JsonMember&)>;

  // Every member that has a row of its own.
  static void ForEachMember(const JsonNode& node, const Visit& visit) {
    for (const JsonMember& member : node.members) {
      if (IsFreeForm(member.value.pointer)) continue;
      visit(member);
      ForEachMember(member.value, visit);
    }
    for (const JsonNode& element : node.elements) ForEachMember(element, visit);
  }

  Mutation Renamed(const JsonMember& member) const {
    std::string text = file_.text;
    text.insert(member.name_begin + 1 + member.name.size(), "_zzzz");
    return {std::move(text), absl::StrCat(member.value.pointer, "_zzzz"),
            document_.PlaceOfKey(member).line};
  }

  Mutation Replaced(const JsonMember& member, const std::string& value) const {
    std::string text = file_.text;
    text.replace(member.value.begin, member.value.end - member.value.begin,
                 value);
    return {std::move(text), member.value.pointer,
            document_.PlaceOfKey(member).line};
  }

  Mutation Duplicated(const JsonMember& member) const {
    const std::string copy = file_.text.substr(
        member.name_begin, member.value.end - member.name_begin);
    std::string text = file_.text;
    text.insert(member.name_begin, copy + ",\n");
    const int lines =
        1 + static_cast<int>(std::count(copy.begin(), copy.end(), '\n'));
    return {std::move(text), member.value.pointer,
            document_.PlaceOfKey(member).line + lines};
  }

 private:
  // Objects whose keys are names that the user chooses.
  static bool IsFreeForm(absl::string_view pointer) {
    return absl::StrContains(pointer, "/different_groups/") ||
           absl::StrContains(pointer, "/curriculum_metrics/") ||
           absl::StrContains(pointer, "/arg_mappings/") ||
           absl::StrContains(pointer, "/zero_optimization/aio/") ||
           absl::EndsWith(pointer, "/curriculum_metrics") ||
           absl::EndsWith(pointer, "/different_groups") ||
           absl::EndsWith(pointer, "/arg_mappings") ||
           absl::EndsWith(pointer, "/model_mask_name");
  }

  const CorpusFile& file_;
  const JsonDocument& document_;
};

bool IsReported(const Mutation& mutation, const JobFacts& job) {
  const Diagnostics diagnostics = Diagnose(mutation.text, job);
  return std::any_of(diagnostics.all().begin(), diagnostics.all().end(),
                     [&mutation](const v1::Diagnostic& diagnostic) {
                       return diagnostic.severity() ==
                                  v1::Diagnostic::SEVERITY_ERROR &&
                              diagnostic.json_pointer() == mutation.pointer &&
                              diagnostic.line() == mutation.line;
                     });
}

TEST(ConfigCorpusTest, EverySlipIsFoundWhereItIs) {
  int mutations = 0;
  for (const CorpusFile& file : Corpus()) {
    Diagnostics diagnostics;
    const auto document =
        JsonDocument::Parse(file.text, "ds.json", &diagnostics);
    ASSERT_TRUE(document.has_value()) << file.name;
    const Mutator mutator(file, *document);
    const auto expect = [&](const char* how, const Mutation& mutation) {
      ++mutations;
      EXPECT_TRUE(IsReported(mutation, file.job))
          << file.name << ", " << how << ": no error at " << mutation.pointer
          << " line " << mutation.line;
    };
    Mutator::ForEachMember(document->root(), [&](const JsonMember& member) {
      const JsonNode& value = member.value;
      expect("renamed", mutator.Renamed(member));
      expect("duplicated", mutator.Duplicated(member));
      // A section, in DeepSpeed's older form a flag, may be an object.
      const bool is_section =
          value.is_object() || member.name == "zero_optimization";
      expect("wrong type",
             mutator.Replaced(member, is_section ? "\"x\"" : "{\"wrong\": 1}"));
      if (value.kind == JsonNode::Kind::kInteger ||
          value.kind == JsonNode::Kind::kNumber) {
        expect("out of range", mutator.Replaced(member, "-1e30"));
      }
      for (const char* choice :
           {"type", "device", "partition_type", "tag_validation",
            "grad_accum_dtype", "warmup_type", "quantization_type", "method",
            "rounding", "mode", "tuner_type", "metric"}) {
        if (member.name == choice && value.is_string()) {
          expect("unknown value", mutator.Replaced(member, "\"zzzz\""));
        }
      }
    });
  }
  EXPECT_GT(mutations, 2000);
}

}  // namespace
}  // namespace autotp::config
