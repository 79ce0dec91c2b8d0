#include "client/cli/effective_view.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/cli/message_json.h"

namespace autotp::cli {
namespace {

constexpr size_t kWidestColumn = 56;

std::string OriginText(const v1::ConfigValue& value, absl::string_view file) {
  const std::string place = absl::StrCat(file, ":", value.line());
  switch (value.origin()) {
    case v1::ConfigValue::ORIGIN_FILE:
      return value.detail().empty() ? place
                                    : absl::StrCat(place, ", ", value.detail());
    case v1::ConfigValue::ORIGIN_DERIVED:
      return absl::StrCat("from ", value.detail());
    case v1::ConfigValue::ORIGIN_AUTO:
      return absl::StrCat(place, ", auto: ", value.detail());
    default:
      return "default";
  }
}

struct Line {
  std::string text;
  std::string comment;
};

// Opens and closes objects along the pointers, which come in order.
class Lines {
 public:
  void Add(const v1::ConfigValue& value, absl::string_view file) {
    std::vector<std::string> path = absl::StrSplit(value.json_pointer(), '/');
    path.erase(path.begin());  // of the leading slash
    const std::string name = path.back();
    path.pop_back();
    MoveTo(path);
    Begin(absl::StrCat("\"", name, "\": ", value.value()));
    lines_.back().comment = OriginText(value, file);
  }

  std::string Render() {
    MoveTo({});
    size_t column = 0;
    for (const Line& line : lines_) {
      if (line.text.size() <= kWidestColumn) {
        column = std::max(column, line.text.size());
      }
    }
    std::string text = "{\n";
    for (const Line& line : lines_) {
      text += line.text;
      if (!line.comment.empty()) {
        const size_t gap =
            line.text.size() < column ? column - line.text.size() : 0;
        absl::StrAppend(&text, std::string(gap + 2, ' '), "// ", line.comment);
      }
      text += '\n';
    }
    return text + "}\n";
  }

 private:
  void MoveTo(const std::vector<std::string>& path) {
    size_t same = 0;
    while (same < path.size() && same < open_.size() &&
           path[same] == open_[same]) {
      ++same;
    }
    while (open_.size() > same) {
      open_.pop_back();
      lines_.push_back({absl::StrCat(Indent(), "}"), ""});
    }
    for (; same < path.size(); ++same) {
      Begin(absl::StrCat("\"", path[same], "\": {"));
      open_.push_back(path[same]);
      first_ = true;
    }
  }

  // A new member of the innermost open object.
  void Begin(const std::string& text) {
    if (!first_ && !lines_.empty()) lines_.back().text += ',';
    lines_.push_back({absl::StrCat(Indent(), text), ""});
    first_ = false;
  }

  std::string Indent() const { return std::string(2 * open_.size() + 2, ' '); }

  std::vector<std::string> open_;
  std::vector<Line> lines_;
  bool first_ = true;  // nothing stands in the innermost object yet
};

}  // namespace

std::string EffectiveText(const v1::ValidateJobResponse& response,
                          absl::string_view file) {
  Lines lines;
  for (const v1::ConfigValue& value : response.effective_values()) {
    lines.Add(value, file);
  }
  return lines.Render();
}

nlohmann::ordered_json EffectiveJson(const v1::ValidateJobResponse& response) {
  auto values = nlohmann::ordered_json::array();
  for (const v1::ConfigValue& value : response.effective_values()) {
    nlohmann::ordered_json json = ToJson(value);
    json["value"] = nlohmann::ordered_json::parse(value.value(), nullptr,
                                                  /*allow_exceptions=*/false);
    values.push_back(std::move(json));
  }
  return values;
}

}  // namespace autotp::cli
