#include "tests/sim/world.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace autotp::sim {
namespace {

constexpr size_t kTraceLines = 80;

}  // namespace

void Timeline::After(absl::Duration delay, std::function<void()> what) {
  due_.push({now_ + delay, planned_++, std::move(what)});
}

bool Timeline::RunNext() {
  if (due_.empty()) return false;
  Due next = due_.top();
  due_.pop();
  now_ = next.time;
  next.what();
  return true;
}

void World::Note(const std::string& line) {
  const double seconds =
      absl::ToDoubleSeconds(timeline.now() - absl::FromUnixSeconds(1'000'000));
  trace_.push_back(absl::StrFormat("%9.3f %s", seconds, line));
  if (trace_.size() > kTraceLines) trace_.pop_front();
}

std::string World::Tail() const { return absl::StrJoin(trace_, "\n"); }

}  // namespace autotp::sim
