// key_page.h -- the key table as the page that users read:
// deploy/docs/deepspeed-config.md. A test holds the page to the table.
#ifndef AUTOTP_COORDINATOR_CONFIG_KEY_PAGE_H_
#define AUTOTP_COORDINATOR_CONFIG_KEY_PAGE_H_

#include <string>

namespace autotp::config {

// Markdown.
std::string KeyPage();

}  // namespace autotp::config

#endif  // AUTOTP_COORDINATOR_CONFIG_KEY_PAGE_H_
