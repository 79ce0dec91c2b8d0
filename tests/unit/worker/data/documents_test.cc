// Goal: packed documents keep their tokens, positions that restart, and never
// a label across a border; several files are one data set.
// Method: small files whose sequences are written out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"
#include "worker/data/dataset.h"

namespace autotp::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DocumentsTest : public ::testing::Test {
 protected:
  DocumentsTest() { source_.set_pack_documents(true); }

  std::string WriteTokens(const std::string& name,
                          const std::vector<uint16_t>& tokens) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(tokens.data()),
               static_cast<std::streamsize>(2 * tokens.size()));
    return path;
  }
  std::string WriteText(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  absl::StatusOr<std::unique_ptr<Dataset>> Open(int64_t sequence_length) {
    return OpenDataset(source_, sequence_length, /*vocabulary_size=*/100);
  }

  autotp::testing::TempDir folder_;
  v1::DataSource source_;
};

TEST_F(DocumentsTest, AStreamsDocumentsEndWithTheSeparator) {
  source_.set_path(WriteTokens("a.bin", {1, 2, 0, 3, 0, 0, 4, 5, 6, 7}));
  source_.set_separator(0);
  auto dataset = Open(5);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const auto batch = ReadBatch(**dataset, {0, 1});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_THAT(batch->input_ids, ElementsAre(1, 2, 0, 3, 0, 0, 4, 5, 6, 7));
  EXPECT_THAT(batch->positions, ElementsAre(0, 1, 2, 0, 1, 0, 0, 1, 2, 3));
  EXPECT_THAT(batch->labels,
              ElementsAre(-100, 2, 0, -100, 0, -100, -100, 5, 6, 7));
}

TEST_F(DocumentsTest, WholeSequencesAreOneDocument) {
  source_.set_path(WriteTokens("a.bin", {1, 2, 0, 3}));
  source_.set_pack_documents(false);
  const auto dataset = Open(4);
  const auto batch = ReadBatch(**dataset, {0});
  EXPECT_THAT(batch->positions, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(batch->labels, ElementsAre(1, 2, 0, 3));
  EXPECT_EQ(batch->Inputs(2).size(), 2u);
  EXPECT_EQ(batch->Inputs(3)[2], batch->positions.data());
}

TEST_F(DocumentsTest, LinesArePackedInOrderAndCutWhereTheyAreTooLong) {
  source_.set_path(
      WriteText("a.jsonl",
                "{\"input_ids\": [1, 2]}\n"
                "{\"input_ids\": [3, 4, 5], \"labels\": [3, -100, 5]}\n"
                "{\"input_ids\": []}\n"
                "{\"input_ids\": [6]}\n"
                "{\"input_ids\": [10, 11, 12, 13, 14, 15]}\n"));
  auto dataset = Open(4);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  ASSERT_EQ((*dataset)->sequence_count(), 4);
  const auto batch = ReadBatch(**dataset, {0, 1, 2, 3});
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_THAT(batch->input_ids, ElementsAre(1, 2, 0, 0, 3, 4, 5, 6,  //
                                            10, 11, 12, 13, 14, 15, 0, 0));
  EXPECT_THAT(batch->positions, ElementsAre(0, 1, 0, 1, 0, 1, 2, 0,  //
                                            0, 1, 2, 3, 0, 1, 0, 1));
  EXPECT_THAT(batch->labels,
              ElementsAre(-100, 2, -100, -100, -100, -100, 5, -100,  //
                          -100, 11, 12, 13, -100, 15, -100, -100));
}

TEST_F(DocumentsTest, EveryMalformedLineIsFoundAtOnce) {
  source_.set_path(WriteText(
      "a.jsonl", "{\"input_ids\": [1]}\n{\"input_ids\": [1, 700]}\n"));
  EXPECT_THAT(Open(4).status().message(),
              AllOf(HasSubstr("a.jsonl:2"), HasSubstr("700")));
  source_.set_path(WriteText("b.jsonl", "{\"input_ids\": []}\n"));
  EXPECT_THAT(Open(4).status().message(), HasSubstr("empty"));
}

TEST_F(DocumentsTest, SaysWhatASeparatorNeeds) {
  source_.set_path(WriteTokens("a.bin", {1, 2, 3, 4}));
  EXPECT_THAT(Open(2).status().message(), HasSubstr("separator"));
  source_.set_separator(100);
  EXPECT_THAT(Open(2).status().message(), HasSubstr("vocabulary of 100"));
  source_.set_separator(0);
  source_.set_pack_documents(false);
  EXPECT_THAT(Open(2).status().message(), HasSubstr("not packed"));
}

TEST_F(DocumentsTest, SeveralFilesAreNumberedThrough) {
  source_.set_pack_documents(false);
  const auto add = [&](const std::string& path, double weight) {
    v1::DataFile* file = source_.add_files();
    file->set_path(path);
    file->set_weight(weight);
  };
  add(WriteTokens("a.bin", {1, 2, 3, 4, 5}), 0);
  add(WriteText("b.jsonl", "{\"input_ids\": [7, 8]}\n"), 0);
  auto dataset = Open(2);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ((*dataset)->sequence_count(), 3);
  EXPECT_THAT(ReadBatch(**dataset, {2, 0})->input_ids, ElementsAre(7, 8, 1, 2));
  const std::vector<MixedFile> files = (*dataset)->files();
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].weight, 2) << "as many as it has sequences";
  EXPECT_EQ(files[1].weight, 1);

  source_.mutable_files(0)->set_weight(0.5);
  EXPECT_THAT(Open(2).status().message(),
              AllOf(HasSubstr("b.jsonl"), HasSubstr("weight")));
  source_.mutable_files(1)->set_weight(-1);
  EXPECT_FALSE(Open(2).ok());
}

}  // namespace
}  // namespace autotp::data
