#include "worker/checkpoint/safetensors_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/status_macros.h"
#include "worker/checkpoint/output_file.h"

namespace autotp::checkpoint {
namespace {

constexpr int64_t kBounceBytes = 1 << 20;

absl::StatusOr<Element> ElementOfEntry(absl::string_view name,
                                       const TensorEntry& entry) {
  for (const Element element :
       {Element::kFloat32, Element::kBFloat16, Element::kFloat16}) {
    if (ElementName(element) == entry.element) return element;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("tensor \"", name, "\" has dtype ", entry.element,
                   "; only F32, BF16 and F16 weights can be trained"));
}

}  // namespace

SafetensorsFile::SafetensorsFile(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

SafetensorsFile::~SafetensorsFile() { close(descriptor_); }

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::Open(
    const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return FileError(path, "open", errno);
  std::unique_ptr<SafetensorsFile> file(new SafetensorsFile(path, descriptor));
  AUTOTP_RETURN_IF_ERROR(Annotate(file->ReadHeader(), path));
  return file;
}

absl::Status SafetensorsFile::ReadHeader() {
  struct stat info;
  if (fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode))
    return absl::InvalidArgumentError("not a file");
  const int64_t size = info.st_size;
  uint64_t length = 0;
  if (size < static_cast<int64_t>(sizeof(length)))
    return absl::DataLossError(absl::StrCat(
        "not a valid safetensors file: only ", size, " bytes long"));
  AUTOTP_RETURN_IF_ERROR(ReadBytes(0, sizeof(length), &length));
  if (length > static_cast<uint64_t>(kHeaderBytesMax) ||
      static_cast<int64_t>(length) > size - 8) {
    return absl::DataLossError(
        absl::StrCat("not a valid safetensors file: a header of ", length,
                     " bytes in a file of ", size,
                     "; it is damaged or still being downloaded"));
  }
  std::string text(length, '\0');
  AUTOTP_RETURN_IF_ERROR(ReadBytes(8, text.size(), text.data()));
  AUTOTP_ASSIGN_OR_RETURN(header_, ParseHeader(text, size));
  return absl::OkStatus();
}

absl::StatusOr<const TensorEntry*> SafetensorsFile::Find(
    absl::string_view name) const {
  const auto found = header_.tensors.find(name);
  if (found == header_.tensors.end()) {
    return absl::NotFoundError(
        absl::StrCat(path_, ": has no tensor \"", name, "\""));
  }
  return &found->second;
}

absl::Status SafetensorsFile::ReadBytes(int64_t offset, int64_t count,
                                        void* out) {
  char* at = static_cast<char*>(out);
  while (count > 0) {
    const ssize_t got = pread(descriptor_, at, count, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(path_, "read", errno);
    if (got == 0)
      return absl::DataLossError(absl::StrCat(path_, ": ends at byte ", offset,
                                              "; it was cut short meanwhile"));
    at += got;
    offset += got;
    count -= got;
  }
  return absl::OkStatus();
}

absl::Status SafetensorsFile::ReadElements(const TensorEntry& entry,
                                           Element element, int64_t first,
                                           int64_t count, float* out) {
  const int64_t width = SizeOf(element);
  const int64_t offset = header_.data_begin + entry.bytes.begin + first * width;
  bytes_read_ += count * width;
  if (element == Element::kFloat32) return ReadBytes(offset, count * 4, out);
  bounce_.resize(kBounceBytes);
  const int64_t chunk = kBounceBytes / width;
  for (int64_t done = 0; done < count; done += chunk) {
    const int64_t step = std::min(chunk, count - done);
    AUTOTP_RETURN_IF_ERROR(
        ReadBytes(offset + done * width, step * width, bounce_.data()));
    ToFloat(bounce_.data(), step, element, out + done);
  }
  return absl::OkStatus();
}

absl::Status SafetensorsFile::Read(absl::string_view name, const Slice& slice,
                                   Range local, float* out) {
  AUTOTP_ASSIGN_OR_RETURN(const TensorEntry* entry, Find(name));
  const std::string place = absl::StrCat(path_, ": tensor \"", name, "\"");
  absl::StatusOr<Element> element = ElementOfEntry(name, *entry);
  if (!element.ok()) return Annotate(element.status(), path_);
  AUTOTP_RETURN_IF_ERROR(Annotate(CheckSlice(entry->shape, slice), place));
  if (local.begin < 0 || local.end < local.begin ||
      local.end > ElementCount(entry->shape, slice)) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": elements [", local.begin, ", ", local.end,
                     ") are outside of the slice"));
  }
  return ForEachRun(entry->shape, slice, local, [&](Run run) {
    return ReadElements(*entry, *element, run.global, run.count,
                        out + (run.local - local.begin));
  });
}

absl::Status SafetensorsFile::ReadInside(absl::string_view name, int64_t first,
                                         absl::Span<const int64_t> shape,
                                         const Slice& slice, float* out) {
  AUTOTP_ASSIGN_OR_RETURN(const TensorEntry* entry, Find(name));
  const std::string place = absl::StrCat(path_, ": tensor \"", name, "\"");
  absl::StatusOr<Element> element = ElementOfEntry(name, *entry);
  if (!element.ok()) return Annotate(element.status(), path_);
  AUTOTP_RETURN_IF_ERROR(Annotate(CheckSlice(shape, slice), place));
  const int64_t room = ElementCount(entry->shape);
  if (first < 0 || first > room || ElementCount(shape) > room - first) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": has ", room, " elements, no ",
                     DescribeShape(shape), " from element ", first));
  }
  return ForEachRun(shape, slice, {0, ElementCount(shape, slice)},
                    [&](Run run) {
                      return ReadElements(*entry, *element, first + run.global,
                                          run.count, out + run.local);
                    });
}

absl::Status SafetensorsFile::Read(absl::string_view name, const Slice& slice,
                                   float* out) {
  AUTOTP_ASSIGN_OR_RETURN(const TensorEntry* entry, Find(name));
  AUTOTP_RETURN_IF_ERROR(Annotate(CheckSlice(entry->shape, slice), path_));
  return Read(name, slice, {0, ElementCount(entry->shape, slice)}, out);
}

}  // namespace autotp::checkpoint
