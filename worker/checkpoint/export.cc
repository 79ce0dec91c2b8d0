#include "worker/checkpoint/export.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/output_file.h"
#include "worker/checkpoint/part.h"
#include "worker/checkpoint/restore.h"
#include "worker/checkpoint/safetensors_writer.h"

namespace autotp::checkpoint {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kChunkElements = 1 << 20;

// A tensor as the model's own files have it: a parameter, or several that
// follow each other in a fused one.
struct StoredTensor {
  std::string name;
  Shape shape;
  std::vector<const v1::ParameterRecord*> parts;
};

// The weights of one file.
struct Shard {
  std::vector<StoredTensor> tensors;
  int64_t bytes = 0;
};

Shape ShapeOf(const v1::ParameterRecord& record) {
  return {record.shape().begin(), record.shape().end()};
}

// The parts of a fused tensor have to fill it.
absl::Status OrderParts(StoredTensor& tensor) {
  std::sort(tensor.parts.begin(), tensor.parts.end(),
            [](const auto* a, const auto* b) {
              return a->source().offset() < b->source().offset();
            });
  int64_t filled = 0;
  for (const v1::ParameterRecord* part : tensor.parts) {
    if (part->source().offset() != filled) break;
    filled += ElementCount(ShapeOf(*part));
  }
  if (filled == ElementCount(tensor.shape)) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("the parameters of ", tensor.name, " fill ", filled, " of ",
                   ElementCount(tensor.shape), " elements"));
}

// In program order; a fused tensor where its first part is.
absl::StatusOr<std::vector<StoredTensor>> StoredTensors(
    const v1::Manifest& manifest) {
  std::vector<StoredTensor> tensors;
  std::map<std::string, size_t> fused;  // name -> index
  for (const v1::ParameterRecord& record : manifest.parameters()) {
    const v1::TensorSource& source = record.source();
    if (source.shape().empty()) {
      tensors.push_back(
          {source.tensor().empty() ? record.name() : source.tensor(),
           ShapeOf(record),
           {&record}});
      continue;
    }
    const auto [found, is_new] =
        fused.try_emplace(source.tensor(), tensors.size());
    if (is_new) {
      tensors.push_back({source.tensor(),
                         {source.shape().begin(), source.shape().end()},
                         {}});
    }
    tensors[found->second].parts.push_back(&record);
  }
  for (const auto& [name, index] : fused)
    AUTOTP_RETURN_IF_ERROR(OrderParts(tensors[index]));
  return tensors;
}

// Greedy: a new file where the next tensor does not fit.
std::vector<Shard> DivideIntoShards(std::vector<StoredTensor> tensors,
                                    Element element, int64_t bytes_max) {
  std::vector<Shard> shards(1);
  for (StoredTensor& tensor : tensors) {
    const int64_t bytes = ElementCount(tensor.shape) * SizeOf(element);
    if (shards.back().bytes > 0 && shards.back().bytes + bytes > bytes_max)
      shards.emplace_back();
    shards.back().tensors.push_back(std::move(tensor));
    shards.back().bytes += bytes;
  }
  return shards;
}

std::string ShardName(size_t index, size_t count) {
  return count == 1 ? "model.safetensors"
                    : absl::StrFormat("model-%05d-of-%05d.safetensors",
                                      index + 1, count);
}

absl::Status WriteText(const std::string& path, absl::string_view text) {
  AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file,
                          OutputFile::Create(path, OutputFile::Mode::kReplace));
  AUTOTP_RETURN_IF_ERROR(file->Append(text));
  return file->Commit();
}

// Numbers that fp16 would make infinite.
class BeyondFloat16 {
 public:
  void Count(const std::string& tensor, const std::vector<float>& values) {
    // Rounded to nearest: 65520 is as near to 65536, which fp16 lacks.
    const auto beyond = [](float value) {
      return std::isfinite(value) && std::abs(value) >= 65520.0f;
    };
    const int64_t count = std::count_if(values.begin(), values.end(), beyond);
    if (count == 0) return;
    if (tensors_.empty() || tensors_.back().name != tensor)
      tensors_.push_back({tensor, 0});
    tensors_.back().count += count;
  }

  absl::Status Verdict() const {
    if (tensors_.empty()) return absl::OkStatus();
    constexpr size_t kShown = 8;
    std::string list;
    for (size_t i = 0; i < std::min(tensors_.size(), kShown); ++i) {
      absl::StrAppend(&list, i == 0 ? "" : ", ", tensors_[i].count, " of ",
                      tensors_[i].name);
    }
    if (tensors_.size() > kShown)
      absl::StrAppend(&list, " and ", tensors_.size() - kShown, " more");
    return absl::FailedPreconditionError(
        absl::StrCat("numbers beyond 65504 would be infinite in fp16: ", list,
                     "; export as bf16 or fp32"));
  }

 private:
  struct Tensor {
    std::string name;
    int64_t count = 0;
  };
  std::vector<Tensor> tensors_;
};

// All of a parameter, through `buffer`. `beyond`: null but for fp16.
absl::Status CopyParameter(const v1::ParameterRecord& record,
                           CheckpointReader& reader, std::vector<float>& buffer,
                           SafetensorsWriter& writer, BeyondFloat16* beyond) {
  const int64_t count = ElementCount(ShapeOf(record));
  for (int64_t done = 0; done < count; done += kChunkElements) {
    const int64_t step = std::min(kChunkElements, count - done);
    buffer.resize(step);
    AUTOTP_RETURN_IF_ERROR(reader.Read(record.name(), kWeight, Slice{},
                                       {done, done + step}, buffer.data()));
    if (beyond != nullptr) beyond->Count(record.name(), buffer);
    AUTOTP_RETURN_IF_ERROR(writer.Append(buffer.data(), step));
  }
  return absl::OkStatus();
}

absl::Status WriteShard(const Shard& shard, const std::string& path,
                        Element element, CheckpointReader& reader,
                        BeyondFloat16* beyond) {
  std::vector<SafetensorsWriter::Tensor> header;
  for (const StoredTensor& tensor : shard.tensors)
    header.push_back({tensor.name, tensor.shape});
  AUTOTP_ASSIGN_OR_RETURN(
      std::unique_ptr<SafetensorsWriter> writer,
      SafetensorsWriter::Create(path, header, element, {{"format", "pt"}}));
  std::vector<float> buffer;
  for (const StoredTensor& tensor : shard.tensors) {
    for (const v1::ParameterRecord* part : tensor.parts)
      AUTOTP_RETURN_IF_ERROR(
          CopyParameter(*part, reader, buffer, *writer, beyond));
  }
  return writer->Commit();
}

absl::Status WriteIndex(const std::vector<Shard>& shards,
                        const std::string& path) {
  nlohmann::json weight_map = nlohmann::json::object();
  int64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    total += shards[i].bytes;
    for (const StoredTensor& tensor : shards[i].tensors)
      weight_map[tensor.name] = ShardName(i, shards.size());
  }
  const nlohmann::json index = {{"metadata", {{"total_size", total}}},
                                {"weight_map", std::move(weight_map)}};
  return WriteText(path, absl::StrCat(index.dump(2), "\n"));
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error)
    return FileError(to, absl::StrCat("copy ", from, " here"), error.value());
  const int descriptor = open(to.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return FileError(to, "open", errno);
  const int synced = fsync(descriptor);
  const int reason = errno;
  close(descriptor);
  return synced == 0 ? absl::OkStatus() : FileError(to, "sync", reason);
}

absl::Status FillFolder(const std::string& folder, const v1::ExportSpec& spec,
                        Element element, CheckpointReader& reader) {
  const int64_t bytes_max =
      spec.max_file_bytes() > 0 ? spec.max_file_bytes() : kFileBytesDefault;
  AUTOTP_ASSIGN_OR_RETURN(std::vector<StoredTensor> tensors,
                          StoredTensors(reader.manifest()));
  const std::vector<Shard> shards =
      DivideIntoShards(std::move(tensors), element, bytes_max);
  BeyondFloat16 beyond;
  for (size_t i = 0; i < shards.size(); ++i) {
    AUTOTP_RETURN_IF_ERROR(WriteShard(
        shards[i], absl::StrCat(folder, "/", ShardName(i, shards.size())),
        element, reader, element == Element::kFloat16 ? &beyond : nullptr));
  }
  AUTOTP_RETURN_IF_ERROR(beyond.Verdict());
  if (shards.size() > 1) {
    AUTOTP_RETURN_IF_ERROR(WriteIndex(
        shards, absl::StrCat(folder, "/model.safetensors.index.json")));
  }
  AUTOTP_RETURN_IF_ERROR(
      WriteText(absl::StrCat(folder, "/config.json"), spec.config_json()));
  for (const std::string& file : spec.copied_files()) {
    AUTOTP_RETURN_IF_ERROR(CopyFile(
        file, absl::StrCat(folder, "/", fs::path(file).filename().string())));
  }
  return SyncFolder(folder);
}

// What may be replaced: nothing, an empty folder, or a model's folder.
absl::Status CheckPlace(const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return absl::OkStatus();
  if (fs::is_directory(path, error) &&
      (fs::is_empty(path, error) || fs::exists(path + "/config.json", error)))
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      path,
      ": is in the way and no model folder; move it or choose another "
      "output folder"));
}

// `staging` takes the name `path`; what was there ends up as `staging`.
absl::Status Swap(const std::string& staging, const std::string& path) {
  if (renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, path.c_str(),
                RENAME_EXCHANGE) == 0)
    return absl::OkStatus();
  if (errno != EINVAL && errno != ENOSYS)
    return FileError(path, "replace the folder", errno);
  // A file system without exchange: for a moment the name is free.
  const std::string older = path + ".older";
  std::error_code error;
  fs::remove_all(older, error);
  if (rename(path.c_str(), older.c_str()) != 0)
    return FileError(path, "move the older folder away", errno);
  if (rename(staging.c_str(), path.c_str()) != 0) {
    const int reason = errno;
    rename(older.c_str(), path.c_str());
    return FileError(path, "rename into place", reason);
  }
  fs::remove_all(older, error);
  return absl::OkStatus();
}

}  // namespace

absl::Status ExportModel(const std::string& manifest_path,
                         const v1::ExportSpec& spec, Verify verify) {
  std::string path = fs::path(spec.path()).lexically_normal();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.empty())
    return absl::InvalidArgumentError("no folder for the trained model given");
  AUTOTP_RETURN_IF_ERROR(CheckPlace(path));
  AUTOTP_ASSIGN_OR_RETURN(std::unique_ptr<CheckpointReader> reader,
                          CheckpointReader::Open(manifest_path, verify));
  AUTOTP_ASSIGN_OR_RETURN(const Element element,
                          ElementOf(spec.dtype() == v1::DATA_TYPE_UNSPECIFIED
                                        ? reader->manifest().trained_dtype()
                                        : spec.dtype()));

  const std::string staging = path + ".partial";
  std::error_code error;
  fs::remove_all(staging, error);  // of an earlier, interrupted export
  fs::create_directories(staging, error);
  if (error) return FileError(staging, "create the folder", error.value());
  const absl::Cleanup sweep = [&staging] {
    std::error_code ignored;  // best effort: the name says that it is garbage
    fs::remove_all(staging, ignored);
  };
  AUTOTP_RETURN_IF_ERROR(FillFolder(staging, spec, element, *reader));
  if (fs::exists(path, error)) {
    AUTOTP_RETURN_IF_ERROR(Swap(staging, path));
  } else if (rename(staging.c_str(), path.c_str()) != 0) {
    return FileError(path, "rename into place", errno);
  }
  const std::string parent = fs::path(path).parent_path();
  return SyncFolder(parent.empty() ? "." : parent);
}

}  // namespace autotp::checkpoint
