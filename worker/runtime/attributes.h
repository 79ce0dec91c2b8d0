// attributes.h -- typed access to a node's attributes.
#ifndef AUTOTP_WORKER_RUNTIME_ATTRIBUTES_H_
#define AUTOTP_WORKER_RUNTIME_ATTRIBUTES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "autotp/v1/program.pb.h"

namespace autotp::runtime {

// All errors are INVALID_ARGUMENT naming the attribute. An integer is taken
// where a number is wanted.
class Attributes {
 public:
  explicit Attributes(const v1::Node& node) : node_(node) {}

  bool Has(absl::string_view name) const { return Find(name) != nullptr; }

  absl::StatusOr<int64_t> Integer(absl::string_view name) const {
    const v1::Attribute* found = Find(name);
    if (found == nullptr || !found->has_integer()) return Missing(name);
    return found->integer();
  }
  absl::StatusOr<double> Number(absl::string_view name) const {
    const v1::Attribute* found = Find(name);
    if (found != nullptr && found->has_integer())
      return static_cast<double>(found->integer());
    if (found == nullptr || !found->has_number()) return Missing(name);
    return found->number();
  }
  absl::StatusOr<std::string> Text(absl::string_view name) const {
    const v1::Attribute* found = Find(name);
    if (found == nullptr || !found->has_text()) return Missing(name);
    return found->text();
  }
  absl::StatusOr<std::vector<int64_t>> Integers(absl::string_view name) const {
    const v1::Attribute* found = Find(name);
    if (found == nullptr || !found->has_integers()) return Missing(name);
    const auto& values = found->integers().values();
    return std::vector<int64_t>(values.begin(), values.end());
  }
  absl::StatusOr<std::vector<double>> Numbers(absl::string_view name) const {
    const v1::Attribute* found = Find(name);
    if (found == nullptr || !found->has_numbers()) return Missing(name);
    const auto& values = found->numbers().values();
    return std::vector<double>(values.begin(), values.end());
  }
  absl::StatusOr<bool> Flag(absl::string_view name, bool fallback) const {
    const v1::Attribute* found = Find(name);
    if (found == nullptr) return fallback;
    if (!found->has_flag()) return Missing(name);
    return found->flag();
  }
  absl::StatusOr<int64_t> Integer(absl::string_view name,
                                  int64_t fallback) const {
    return Has(name) ? Integer(name) : fallback;
  }
  absl::StatusOr<double> Number(absl::string_view name, double fallback) const {
    return Has(name) ? Number(name) : fallback;
  }

 private:
  const v1::Attribute* Find(absl::string_view name) const {
    for (const v1::Attribute& attribute : node_.attributes()) {
      if (attribute.name() == name) return &attribute;
    }
    return nullptr;
  }
  static absl::Status Missing(absl::string_view name) {
    return absl::InvalidArgumentError(
        absl::StrCat("attribute '", name, "' is missing or of another type"));
  }

  const v1::Node& node_;
};

}  // namespace autotp::runtime

#endif  // AUTOTP_WORKER_RUNTIME_ATTRIBUTES_H_
