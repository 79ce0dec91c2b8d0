// table.h -- columns of text for a terminal. Pure.
#ifndef AUTOTP_CLIENT_CLI_TABLE_H_
#define AUTOTP_CLIENT_CLI_TABLE_H_

#include <string>
#include <vector>

#include "client/cli/text_style.h"

namespace autotp::cli {

// Left-aligned columns two spaces apart, as wide as their longest cell; no
// trailing spaces. REQUIRES: every row has as many cells as `header`.
std::string RenderTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows);

// The same within `style.width` columns: the last column is wrapped. The
// header is bold where there are colours.
std::string RenderTable(const std::vector<std::string>& header,
                        const std::vector<std::vector<std::string>>& rows,
                        const TextStyle& style);

// "1.5 MiB", "512 B".
std::string HumanBytes(double bytes);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_TABLE_H_
