// Goal: slices come out as they went in, reading only their bytes; a damaged
// file is refused with its place.
// Method: files written by our writer, and headers written by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/worker/checkpoint/files.h"
#include "worker/checkpoint/safetensors_reader.h"
#include "worker/checkpoint/safetensors_writer.h"
#include "worker/checkpoint/weight_loader.h"

namespace autotp::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `data_bytes` bytes behind a header of our own making.
std::string RawFile(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + std::string(data_bytes, '\0');
}

class SafetensorsTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_ / "m.safetensors"; }

  // "w" of shape [6, 4] counts from 0; "b" of shape [2] is {100, 101}.
  void WriteSmall(Element element) {
    std::vector<float> w(24);
    std::iota(w.begin(), w.end(), 0.0f);
    const float b[] = {100, 101};
    auto writer = SafetensorsWriter::Create(path(), {{"w", {6, 4}}, {"b", {2}}},
                                            element, {{"format", "pt"}});
    ASSERT_TRUE(writer.ok()) << writer.status();
    ASSERT_TRUE((*writer)->Append(w.data(), 10).ok());
    ASSERT_TRUE((*writer)->Append(w.data() + 10, 14).ok());
    ASSERT_TRUE((*writer)->Append(b, 2).ok());
    ASSERT_TRUE((*writer)->Commit().ok());
  }

  absl::Status OpenStatus(const std::string& bytes) {
    WriteFile(path(), bytes);
    return SafetensorsFile::Open(path()).status();
  }

  testing::TempDir folder_;
};

TEST_F(SafetensorsTest, ReadsSlicesOfATensorInsideAFusedOne) {
  WriteSmall(Element::kBFloat16);
  auto file = SafetensorsFile::Open(path());
  ASSERT_TRUE(file.ok()) << file.status();
  // [2, 4] from element 12: rows 3 and 4 of "w".
  std::vector<float> out(4);
  ASSERT_TRUE(
      (*file)->ReadInside("w", 12, {2, 4}, {1, {{1, 3}}}, out.data()).ok());
  EXPECT_THAT(out, ElementsAre(13, 14, 17, 18));
  EXPECT_EQ((*file)->bytes_read(), 4 * SizeOf(Element::kBFloat16));
  const absl::Status beyond =
      (*file)->ReadInside("w", 20, {2, 4}, {}, out.data());
  EXPECT_EQ(beyond.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(beyond.message()),
              AllOf(HasSubstr("24 elements"), HasSubstr("element 20")));
}

TEST_F(SafetensorsTest, ReadsSlicesOfBothDimensionsWithIntervalLists) {
  for (const Element element :
       {Element::kFloat32, Element::kBFloat16, Element::kFloat16}) {
    WriteSmall(element);
    auto file = SafetensorsFile::Open(path());
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->header().data_begin % 64, 0);
    EXPECT_EQ((*file)->header().metadata.at("format"), "pt");
    std::vector<float> out(12);
    ASSERT_TRUE((*file)->Read("w", {0, {{1, 2}, {4, 6}}}, out.data()).ok());
    EXPECT_THAT(out, ElementsAre(4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23));
    ASSERT_TRUE((*file)->Read("w", {1, {{0, 1}, {3, 4}}}, out.data()).ok());
    EXPECT_THAT(out, ElementsAre(0, 3, 4, 7, 8, 11, 12, 15, 16, 19, 20, 23));
    EXPECT_EQ((*file)->bytes_read(), 24 * SizeOf(element));
    std::vector<float> part(4);
    ASSERT_TRUE(
        (*file)->Read("w", {1, {{0, 1}, {3, 4}}}, {3, 7}, part.data()).ok());
    EXPECT_THAT(part, ElementsAre(7, 8, 11, 12));
    ASSERT_TRUE((*file)->Read("b", {}, part.data()).ok());
    EXPECT_EQ(part[1], 101);
  }
}

TEST_F(SafetensorsTest, RefusesSlicesAndNamesThatAreNotThere) {
  WriteSmall(Element::kFloat32);
  auto file = SafetensorsFile::Open(path());
  ASSERT_TRUE(file.ok());
  float out[64];
  EXPECT_EQ((*file)->Read("x", {}, out).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT((*file)->Read("w", {0, {{4, 7}}}, out).message(),
              AllOf(HasSubstr("[4, 7)"), HasSubstr("[6, 4]")));
  EXPECT_FALSE((*file)->Read("w", {2, {{0, 1}}}, out).ok());
  EXPECT_FALSE((*file)->Read("w", {}, {0, 25}, out).ok());
}

TEST_F(SafetensorsTest, RefusesFilesThatAreCutShort) {
  WriteSmall(Element::kFloat32);
  const std::string whole = ReadFile(path());
  for (const size_t size :
       {size_t{0}, size_t{7}, size_t{8}, size_t{40}, whole.size() - 1}) {
    const absl::Status status = OpenStatus(whole.substr(0, size));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << size;
    EXPECT_THAT(status.message(), HasSubstr(path())) << size;
  }
  EXPECT_FALSE(OpenStatus(whole + "x").ok());
}

TEST_F(SafetensorsTest, RefusesHeadersThatLie) {
  const struct {
    const char* header;
    size_t data;
    const char* message;
  } kCases[] = {
      {R"([1])", 0, "no JSON object"},
      {R"({"a": 1})", 0, "lacks dtype"},
      {R"({"a":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}})", 4, "F99"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4,
       "does not take 4"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4,
       "impossible shape"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],)"
       R"("data_offsets":[0,4]}})",
       4, "impossible shape"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4,
       "impossible data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}})",
       6, "inside the one before"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
       12, "leaving a hole"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
       R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "comes twice"},
      {R"({"__metadata__":{"x":1}})", 0, "no string"},
  };
  for (const auto& [header, data, message] : kCases) {
    const absl::Status status = OpenStatus(RawFile(header, data));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << header;
    EXPECT_THAT(status.message(), HasSubstr(message)) << header;
  }
}

TEST_F(SafetensorsTest, BoundsTheHeaderLength) {
  std::string bytes = RawFile("{}", 0);
  const uint64_t length = ~uint64_t{0};
  std::memcpy(bytes.data(), &length, sizeof(length));
  EXPECT_EQ(OpenStatus(bytes).code(), absl::StatusCode::kDataLoss);
}

TEST_F(SafetensorsTest, ReadsTensorsOfTypesThatItWillNotTrainButSaysSo) {
  const absl::Status opened = OpenStatus(
      RawFile(R"({"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", 8));
  ASSERT_TRUE(opened.ok()) << opened;
  auto file = SafetensorsFile::Open(path());
  float out;
  EXPECT_THAT((*file)->Read("i", {}, &out).message(),
              AllOf(HasSubstr(path()), HasSubstr("I64")));
}

TEST_F(SafetensorsTest, WriterCountsWhatItIsGiven) {
  auto writer =
      SafetensorsWriter::Create(path(), {{"w", {2}}}, Element::kFloat32, {});
  ASSERT_TRUE(writer.ok());
  const float values[] = {1, 2, 3};
  EXPECT_FALSE((*writer)->Append(values, 3).ok());
  ASSERT_TRUE((*writer)->Append(values, 1).ok());
  EXPECT_EQ((*writer)->Commit().code(), absl::StatusCode::kInternal);
  writer->reset();
  EXPECT_TRUE(Names(folder_.path()).empty());
}

TEST_F(SafetensorsTest, LoaderChecksTheShapeAndReadsItsShare) {
  WriteSmall(Element::kBFloat16);
  v1::Parameter parameter;
  parameter.set_name("model.w");
  parameter.mutable_source()->set_file(path());
  parameter.mutable_source()->set_tensor("w");
  parameter.add_shape(6);
  parameter.add_shape(4);
  parameter.set_cut_dim(0);
  parameter.add_intervals()->set_begin(3);
  parameter.mutable_intervals(0)->set_end(6);
  WeightLoader loader(v1::ModelSource::INITIALIZATION_PRETRAINED, 0);
  std::vector<float> out(12);
  ASSERT_TRUE(loader.Load(parameter, out.data()).ok());
  EXPECT_EQ(out[0], 12);
  EXPECT_EQ(loader.bytes_read(), 24);
  parameter.set_shape(1, 5);
  EXPECT_THAT(loader.Load(parameter, out.data()).message(),
              AllOf(HasSubstr("[6, 4]"), HasSubstr("[6, 5]")));
  parameter.clear_source();
  EXPECT_EQ(loader.Load(parameter, out.data()).code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace autotp::checkpoint
