// Goal: each format yields the tokens that its writer put there, and each
// malformed file one message with file, place and numbers.
// Method: small files written byte by byte in a folder of the test's own.
#include "worker/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/worker/data/bytes.h"

namespace autotp::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  absl::StatusOr<std::unique_ptr<Dataset>> Open(
      const std::string& path, int64_t sequence_length,
      v1::DataSource::TokenType type = v1::DataSource::TOKEN_TYPE_UNSPECIFIED,
      int64_t vocabulary_size = 100) {
    v1::DataSource source;
    source.set_path(path);
    source.set_token_type(type);
    return OpenDataset(source, sequence_length, vocabulary_size);
  }

  std::vector<int64_t> Sequence(const Dataset& dataset, int64_t index) {
    absl::StatusOr<Batch> batch = ReadBatch(dataset, {index});
    EXPECT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(batch->labels, batch->input_ids);
    return batch.ok() ? batch->input_ids : std::vector<int64_t>();
  }

  // An index for `lengths`, with the type code of its writer.
  std::string Index(int code, int width, const std::vector<int32_t>& lengths) {
    std::vector<int64_t> offsets;
    int64_t at = 0;
    for (const int32_t length : lengths) {
      offsets.push_back(at);
      at += length * width;
    }
    const std::vector<int64_t> documents = {
        0, static_cast<int64_t>(lengths.size())};
    return std::string("MMIDIDX\0\0", 9) + Bytes<uint64_t>(1) +
           Bytes<uint8_t>(code) + Bytes<uint64_t>(lengths.size()) +
           Bytes<uint64_t>(documents.size()) + Bytes(lengths) + Bytes(offsets) +
           Bytes(documents);
  }

  std::string Npy(const std::string& dictionary, const std::string& data) {
    std::string header = dictionary + "\n";
    return "\x93NUMPY" + Bytes<uint8_t>(1) + Bytes<uint8_t>(0) +
           Bytes<uint16_t>(header.size()) + header + data;
  }

  autotp::testing::TempDir folder_;
};

TEST_F(DatasetTest, CutsRawTokensIntoSequencesAndLeavesTheRest) {
  const std::string path =
      Write("a.bin", Bytes<uint16_t>({1, 2, 3, 4, 5, 6, 7}));
  auto dataset = Open(path, 3);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->sequence_count(), 2);
  EXPECT_THAT(Sequence(**dataset, 1), ElementsAre(4, 5, 6));
}

TEST_F(DatasetTest, ReadsRawTokensOfFourBytes) {
  const std::string path = Write("a.bin", Bytes<uint32_t>({70000, 2, 3, 4}));
  auto dataset = Open(path, 2, v1::DataSource::TOKEN_TYPE_UINT32, 70001);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(Sequence(**dataset, 0), ElementsAre(70000, 2));
}

TEST_F(DatasetTest, SkipsTheHeaderOfLlmC) {
  std::vector<int32_t> header(256, 0);
  header[0] = 20240520;
  header[1] = 1;
  header[2] = 4;
  const std::string path =
      Write("a.bin", Bytes(header) + Bytes<uint16_t>({9, 8, 7, 6}));
  auto dataset = Open(path, 2);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->sequence_count(), 2);
  EXPECT_THAT(Sequence(**dataset, 0), ElementsAre(9, 8));
}

TEST_F(DatasetTest, ReadsTheHeaderOfLlmCForFourBytesAndChecksIt) {
  std::vector<int32_t> header(256, 0);
  header[0] = 20240801;
  header[1] = 7;
  header[2] = 3;
  const std::string tokens = Bytes<uint32_t>({70000, 8, 7});
  auto dataset = Open(Write("a.bin", Bytes(header) + tokens), 3,
                      v1::DataSource::TOKEN_TYPE_UNSPECIFIED, 70001);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(Sequence(**dataset, 0), ElementsAre(70000, 8, 7));

  const std::string cut = Write("cut.bin", Bytes(header) + tokens.substr(4));
  EXPECT_THAT(Open(cut, 2).status().message(),
              AllOf(HasSubstr("cut.bin: byte 8"), HasSubstr("3 tokens"),
                    HasSubstr("1036 bytes"), HasSubstr("1032")));
  EXPECT_THAT(Open(folder_ / "a.bin", 2, v1::DataSource::TOKEN_TYPE_UINT16)
                  .status()
                  .message(),
              HasSubstr("4-byte tokens"));
  header[1] = 6;  // no version of it: tokens from the first byte on
  auto raw = Open(Write("raw.bin", Bytes(header)), 512,
                  v1::DataSource::TOKEN_TYPE_UNSPECIFIED, 70001);
  ASSERT_TRUE(raw.ok()) << raw.status();
  EXPECT_EQ((*raw)->sequence_count(), 1);
}

TEST_F(DatasetTest, RefusesHalfATokenAndSaysWhy) {
  auto dataset = Open(Write("a.bin", "abc"), 1);
  EXPECT_THAT(dataset.status().message(),
              AllOf(HasSubstr("a.bin"), HasSubstr("3 bytes")));
}

TEST_F(DatasetTest, NamesFileSequencePositionAndIdOutsideTheVocabulary) {
  const std::string path = Write("a.bin", Bytes<uint16_t>({1, 2, 3, 100}));
  auto dataset = Open(path, 2);
  ASSERT_TRUE(dataset.ok());
  absl::StatusOr<Batch> batch = ReadBatch(**dataset, {0, 1});
  EXPECT_EQ(batch.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(
      batch.status().message(),
      AllOf(HasSubstr(path + ": byte 6"), HasSubstr("sequence 1, position 1"),
            HasSubstr("id 100"), HasSubstr("100 tokens")));
}

TEST_F(DatasetTest, SaysHowManyTokensAreTooFew) {
  auto dataset = Open(Write("a.bin", Bytes<uint16_t>({1, 2})), 8);
  EXPECT_THAT(dataset.status().message(),
              AllOf(HasSubstr("2 tokens"), HasSubstr("sequence of 8")));
}

TEST_F(DatasetTest, ReadsMegatronByAnyOfItsThreeNames) {
  Write("m.idx", Index(8, 2, {3, 1, 2}));
  Write("m.bin", Bytes<uint16_t>({5, 6, 7, 8, 9, 10}));
  for (const char* name : {"m", "m.idx", "m.bin"}) {
    auto dataset = Open(folder_ / name, 2);
    ASSERT_TRUE(dataset.ok()) << name << ": " << dataset.status();
    EXPECT_EQ((*dataset)->sequence_count(), 3) << name;
    EXPECT_THAT(Sequence(**dataset, 1), ElementsAre(7, 8)) << name;
  }
}

TEST_F(DatasetTest, TellsTheWritersOfMegatronTypeCodesApartBySize) {
  const struct {
    int code;
    int width;
    std::string bytes;
  } kCases[] = {{4, 4, Bytes<int32_t>({1, 2, 3, 4})},
                {5, 8, Bytes<int64_t>({1, 2, 3, 4})},
                {6, 2, Bytes<uint16_t>({1, 2, 3, 4})},
                {7, 4, Bytes<uint32_t>({1, 2, 3, 4})},
                {8, 8, Bytes<uint64_t>({1, 2, 3, 4})}};
  for (const auto& [code, width, bytes] : kCases) {
    Write("m.idx", Index(code, width, {2, 2}));
    Write("m.bin", bytes);
    auto dataset = Open(folder_ / "m", 4);
    ASSERT_TRUE(dataset.ok()) << code << ": " << dataset.status();
    EXPECT_THAT(Sequence(**dataset, 0), ElementsAre(1, 2, 3, 4)) << code;
  }
}

TEST_F(DatasetTest, RefusesMegatronFilesThatDoNotFitEachOther) {
  Write("m.bin", Bytes<uint16_t>({1, 2, 3}));
  Write("m.idx", Index(8, 2, {2, 2}));
  EXPECT_THAT(Open(folder_ / "m", 2).status().message(),
              HasSubstr("cut short"));
  const std::string index = Index(8, 2, {2, 1});
  Write("m.idx", index.substr(0, index.size() - 4));
  EXPECT_THAT(Open(folder_ / "m", 2).status().message(),
              HasSubstr("cut short"));
  Write("m.idx", Index(6, 8, {2, 1}));  // f64 of Megatron
  EXPECT_FALSE(Open(folder_ / "m", 2).ok());
  std::string shifted = Index(8, 2, {2, 1});
  shifted[34 + 8 + 8] = 2;  // the second sequence begins inside the first
  Write("m.idx", shifted);
  EXPECT_THAT(Open(folder_ / "m", 2).status().message(),
              HasSubstr("sequence 1 begins at byte 2"));
}

TEST_F(DatasetTest, ReadsNumpyArraysOfOneAndTwoDimensions) {
  const std::string data = Bytes<int32_t>({1, 2, 3, 4, 5, 6});
  for (const char* shape : {"(6,)", "(2, 3)"}) {
    const std::string path = Write(
        "a.npy", Npy(absl::StrCat("{'descr': '<i4', 'fortran_order': False, "
                                  "'shape': ",
                                  shape, ", }"),
                     data));
    auto dataset = Open(path, 3);
    ASSERT_TRUE(dataset.ok()) << shape << ": " << dataset.status();
    EXPECT_EQ((*dataset)->sequence_count(), 2);
    EXPECT_THAT(Sequence(**dataset, 1), ElementsAre(4, 5, 6));
  }
}

TEST_F(DatasetTest, RefusesNumpyArraysThatAreNoTokens) {
  const std::string data = Bytes<int32_t>({1, 2, 3, 4, 5, 6});
  const struct {
    const char* dictionary;
    const char* message;
  } kCases[] = {
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", "<f4"},
      {"{'descr': '>i4', 'fortran_order': False, 'shape': (6,), }", ">i4"},
      {"{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }", "Fortran"},
      {"{'descr': '<i4', 'fortran_order': False, 'shape': (3, 2), }",
       "rows have 2"},
      {"{'descr': '<i4', 'fortran_order': False, 'shape': (7,), }",
       "cut short"},
      {"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 2, 3), }",
       "3 dimensions"},
      {"{'descr': '<i4', 'fortran_order': False, 'shape': (-1,), }",
       "malformed"},
      {"{'descr': '<i4', 'shape': (6,), }", "fortran_order"},
  };
  for (const auto& [dictionary, message] : kCases) {
    const std::string path = Write("a.npy", Npy(dictionary, data));
    EXPECT_THAT(Open(path, 3).status().message(), HasSubstr(message))
        << dictionary;
  }
}

TEST_F(DatasetTest, ReadsLabelsOfJsonLinesAndSkipsBlankLines) {
  const std::string path =
      Write("a.jsonl",
            "{\"input_ids\": [1, 2], \"labels\": [-100, 2]}\n\n"
            "{\"input_ids\": [3, 4]}");
  auto dataset = Open(path, 2);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  absl::StatusOr<Batch> batch = ReadBatch(**dataset, {0, 1});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_THAT(batch->input_ids, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(batch->labels, ElementsAre(-100, 2, 3, 4));
}

TEST_F(DatasetTest, NamesTheLineOfJsonThatIsNoSequence) {
  const struct {
    const char* line;
    const char* message;
  } kCases[] = {
      {"{\"input_ids\": [1, 2, 3]}", "has 3 numbers"},
      {"{\"input_ids\": [1, 2.5]}", "\"input_ids\"[1]"},
      {"{\"text\": \"hello\"}", "input_ids"},
      {"{\"input_ids\": [1, 2", "not a JSON object"},
      {"{\"input_ids\": [1, 2], \"labels\": [1]}", "1 labels for 2 tokens"},
      {"{\"input_ids\": [1, 2], \"labels\": [1, -5]}", "id -5"},
      {"{\"input_ids\": [1, 200]}", "id 200"},
  };
  for (const auto& [line, message] : kCases) {
    const std::string path =
        Write("a.jsonl", absl::StrCat("{\"input_ids\": [1, 2]}\n", line, "\n"));
    auto dataset = Open(path, 2);
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_THAT(ReadBatch(**dataset, {1}).status().message(),
                AllOf(HasSubstr("a.jsonl:2"), HasSubstr(message)))
        << line;
  }
}

// A mapping would end the process here.
TEST_F(DatasetTest, NamesFileAndPlaceWhenAFileIsCutShortLater) {
  std::vector<uint16_t> tokens(40'000);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = i % 100;
  const std::string stream = Write("a.bin", Bytes(tokens));
  const std::string lines =
      Write("a.jsonl", "{\"input_ids\": [1, 2]}\n{\"input_ids\": [3, 4]}\n");
  auto from_stream = Open(stream, 10'000);
  auto from_lines = Open(lines, 2);
  ASSERT_TRUE(from_stream.ok() && from_lines.ok());
  EXPECT_EQ(Sequence(**from_stream, 3)[9'999], 99);
  std::filesystem::resize_file(stream, 30'000);
  std::filesystem::resize_file(lines, 30);
  const absl::Status no_tokens = ReadBatch(**from_stream, {1}).status();
  EXPECT_EQ(no_tokens.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(no_tokens.message(),
              AllOf(HasSubstr(stream), HasSubstr("sequence 1"),
                    HasSubstr("ends at byte 30000"), HasSubstr("80000 bytes"),
                    HasSubstr("cut short")));
  const absl::Status no_line = ReadBatch(**from_lines, {1}).status();
  EXPECT_EQ(no_line.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(no_line.message(), AllOf(HasSubstr(lines), HasSubstr("line 2"),
                                       HasSubstr("ends at byte 30")));
  EXPECT_EQ(Sequence(**from_stream, 0)[99], 99) << "what is left can be read";
}

TEST_F(DatasetTest, RefusesWhatIsNoDataFile) {
  EXPECT_EQ(Open(folder_ / "none.bin", 2).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(Open(Write("a.parquet", "PAR1"), 2).status().message(),
              HasSubstr("unknown kind of data"));
  EXPECT_THAT(Open(Write("empty.bin", ""), 2).status().message(),
              HasSubstr("empty"));
  EXPECT_THAT(Open(folder_.path().string(), 2).status().message(),
              HasSubstr("not a file"));
}

}  // namespace
}  // namespace autotp::data
