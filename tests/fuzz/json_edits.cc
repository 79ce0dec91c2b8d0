#include "tests/fuzz/json_edits.h"

#include <iterator>
#include <utility>

namespace autotp::testing {
namespace {

using nlohmann::json;
using Random = std::mt19937_64;

bool HasChildren(const json& tree) {
  return tree.is_structured() && !tree.empty();
}

json::iterator AnyEntry(json& tree, Random& random) {
  return std::next(tree.begin(),
                   static_cast<ptrdiff_t>(random() % tree.size()));
}

// A child of the root, most likely of those that hold the most.
json::iterator AnyPart(json& root, Random& random) {
  if (random() % 16 == 0) return AnyEntry(root, random);
  uint64_t total = 0;
  for (const json& child : root) total += child.size();
  uint64_t at = random() % total;
  auto part = root.begin();
  while (at >= part->size()) at -= (part++)->size();
  return part;
}

// The keys on the way to a place; empty within lists.
using Path = std::vector<std::string>;

json& AnyPlace(json& root, Random& random, Path* path) {
  json* place = &root;
  while (HasChildren(*place) && (path->empty() || random() % 16 != 0)) {
    const auto entry =
        place == &root ? AnyPart(root, random) : AnyEntry(*place, random);
    path->push_back(place->is_object() ? entry.key() : "");
    place = &*entry;
  }
  return *place;
}

// Another place that one gets to by the same keys, in other elements of lists.
const json& LikePlace(json& root, const Path& path, Random& random) {
  json* place = &root;
  for (const std::string& key : path) {
    if (!HasChildren(*place)) break;
    const auto same = place->is_object() ? place->find(key) : place->end();
    place = same != place->end() ? &*same : &*AnyEntry(*place, random);
  }
  return *place;
}

void ReplaceEverywhere(const json& from, const json& to, json& tree) {
  if (tree == from) {
    tree = to;
    return;
  }
  if (!tree.is_structured()) return;
  for (json& child : tree) ReplaceEverywhere(from, to, child);
}

// An entry of a list or an object that holds something.
void EditHolder(json& root, Random& random) {
  json* holder = &*AnyPart(root, random);
  if (!HasChildren(*holder)) return;
  while (random() % 4 != 0) {
    json& child = *AnyEntry(*holder, random);
    if (!HasChildren(child)) break;
    holder = &child;
  }
  const auto at = AnyEntry(*holder, random);
  switch (random() % 3) {
    case 0:
      holder->erase(at);
      return;
    case 1:
      std::swap(*at, *AnyEntry(*holder, random));
      return;
    default:
      if (holder->is_array()) {
        const json copy = *at;
        holder->insert(at, copy);
      }
  }
}

}  // namespace

void EditJson(const std::vector<json>& values, json& root, Random& random) {
  if (!HasChildren(root)) return;
  Path path;
  json& place = AnyPlace(root, random, &path);
  switch (random() % 16) {
    case 0:
    case 1:
      place = values[random() % values.size()];
      return;
    case 2: {
      Path unused;
      json other = AnyPlace(root, random, &unused);
      place = std::move(other);
      return;
    }
    case 3:
      return EditHolder(root, random);
    case 4:
    case 5:
    case 6:
      if (place.is_number_integer()) {
        // Unsigned, where an overflow wraps.
        place = static_cast<int64_t>(place.get<uint64_t>() + random() % 5 - 2);
      }
      return;
    case 7:
    case 8:
    case 9:
      if (place.is_number_integer()) {
        const json from = place;
        const int64_t to = static_cast<int64_t>(random() % 9);
        ReplaceEverywhere(from, to, root);
      }
      return;
    default: {
      json other = LikePlace(root, path, random);
      place = std::move(other);
    }
  }
}

}  // namespace autotp::testing
