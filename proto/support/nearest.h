// nearest.h -- the name that a user meant by a misspelt one.
#ifndef AUTOTP_PROTO_SUPPORT_NEAREST_H_
#define AUTOTP_PROTO_SUPPORT_NEAREST_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace autotp {

// The first element of `candidates` that is nearest to `name` by edit distance
// (Levenshtein's, case aside), if near enough to be a slip; else empty.
absl::string_view Nearest(absl::string_view name,
                          absl::Span<const absl::string_view> candidates);

}  // namespace autotp

#endif  // AUTOTP_PROTO_SUPPORT_NEAREST_H_
