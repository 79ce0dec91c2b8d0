// Goal: the effective configuration reads as JSON with comments.
// Method: exact text of a small one.
#include "client/cli/effective_view.h"

#include <gtest/gtest.h>

namespace autotp::cli {
namespace {

v1::ValidateJobResponse Response() {
  v1::ValidateJobResponse response;
  const auto add = [&response](const char* pointer, const char* value,
                               v1::ConfigValue::Origin origin, int line,
                               const char* detail) {
    v1::ConfigValue& one = *response.add_effective_values();
    one.set_json_pointer(pointer);
    one.set_value(value);
    one.set_origin(origin);
    one.set_line(line);
    one.set_detail(detail);
  };
  add("/train_batch_size", "8", v1::ConfigValue::ORIGIN_FILE, 2, "");
  add("/optimizer/type", "\"AdamW\"", v1::ConfigValue::ORIGIN_FILE, 3,
      "written \"Adam\"");
  add("/optimizer/params/lr", "0.001", v1::ConfigValue::ORIGIN_DEFAULT, 0, "");
  add("/optimizer/params/betas", "[0.9, 0.999]", v1::ConfigValue::ORIGIN_AUTO,
      4, "the default");
  add("/zero_optimization/stage", "1", v1::ConfigValue::ORIGIN_DERIVED, 0,
      "nothing");
  return response;
}

TEST(EffectiveViewTest, EveryLineSaysItsOrigin) {
  EXPECT_EQ(EffectiveText(Response(), "ds.json"),
            "{\n"
            "  \"train_batch_size\": 8,     // ds.json:2\n"
            "  \"optimizer\": {\n"
            "    \"type\": \"AdamW\",         // ds.json:3, written "
            "\"Adam\"\n"
            "    \"params\": {\n"
            "      \"lr\": 0.001,           // default\n"
            "      \"betas\": [0.9, 0.999]  // ds.json:4, auto: the "
            "default\n"
            "    }\n"
            "  },\n"
            "  \"zero_optimization\": {\n"
            "    \"stage\": 1               // from nothing\n"
            "  }\n"
            "}\n");
}

TEST(EffectiveViewTest, AsDataTheValuesAreValues) {
  const nlohmann::ordered_json json = EffectiveJson(Response());
  ASSERT_EQ(json.size(), 5u);
  EXPECT_EQ(json[0]["value"], 8);
  EXPECT_EQ(json[0]["origin"], "file");
  EXPECT_EQ(json[3]["value"][0], 0.9);
}

TEST(EffectiveViewTest, NothingIsAnEmptyObject) {
  EXPECT_EQ(EffectiveText({}, "ds.json"), "{\n}\n");
}

}  // namespace
}  // namespace autotp::cli
