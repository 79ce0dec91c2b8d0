#include "client/cli/table.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "proto/support/check.h"

namespace autotp::cli {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kNarrowest = 24;  // columns of a wrapped text

std::string Line(const std::vector<std::string>& cells,
                 const std::vector<size_t>& widths) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    if (i + 1 < cells.size())
      line.append(widths[i] - cells[i].size() + kGap, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::vector<size_t> Widths(const std::vector<std::string>& header,
                           const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(header.size());
  for (size_t i = 0; i < header.size(); ++i) {
    widths[i] = header[i].size();
    for (const auto& row : rows) {
      AUTOTP_CHECK(row.size() == header.size());
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  return widths;
}

}  // namespace

std::string RenderTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows) {
  const std::vector<size_t> widths = Widths(header, rows);
  std::string table = Line(header, widths);
  for (const auto& row : rows) table += Line(row, widths);
  return table;
}

std::string RenderTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows,
                        const TextStyle& style) {
  const std::vector<size_t> widths = Widths(header, rows);
  size_t before = 0;  // columns left of the last
  for (size_t i = 0; i + 1 < widths.size(); ++i) before += widths[i] + kGap;
  const size_t room =
      std::max(kNarrowest, style.width > before ? style.width - before : 0);
  std::string heading = Line(header, widths);
  heading.pop_back();
  std::string table = style.Bold(heading) + "\n";
  for (std::vector<std::string> row : rows) {
    for (const std::string& line : Wrap(row.back(), room)) {
      row.back() = line;
      table += Line(row, widths);
      row.assign(row.size(), "");
    }
  }
  return table;
}

std::string HumanBytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrFormat("%.0f B", bytes)
                   : absl::StrFormat("%.1f %s", bytes, kUnits[unit]);
}

}  // namespace autotp::cli
