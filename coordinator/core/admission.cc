#include "coordinator/core/admission.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/check.h"

namespace autotp::core {
namespace {

int Groups(const Offer& offer, int tp) {
  return static_cast<int>(offer.free_slots.size()) / tp;
}

// Offers of one device in the order in which they are to be used.
std::vector<const Offer*> InOrderOfUse(const std::vector<Offer>& offers,
                                       const std::string& device,
                                       const GangRequest& request) {
  const int tp = request.tensor_parallel_size;
  const int wanted = request.world_size / tp;
  std::vector<const Offer*> order;
  for (const Offer& offer : offers) {
    if (offer.device == device && Groups(offer, tp) > 0) {
      order.push_back(&offer);
    }
  }
  // Those that hold the whole gang first, the fullest of them foremost; then
  // the emptiest, so that few workers are needed.
  std::sort(order.begin(), order.end(), [&](const Offer* a, const Offer* b) {
    const bool a_whole = Groups(*a, tp) >= wanted;
    const bool b_whole = Groups(*b, tp) >= wanted;
    if (a_whole != b_whole) return a_whole;
    const size_t a_free = a->free_slots.size();
    const size_t b_free = b->free_slots.size();
    if (a_free != b_free) return a_whole ? a_free < b_free : a_free > b_free;
    return a->worker < b->worker;
  });
  return order;
}

std::vector<Seat> TakeSeats(const std::vector<const Offer*>& order,
                            const GangRequest& request) {
  std::vector<Seat> seats;
  for (const Offer* offer : order) {
    const int groups = Groups(*offer, request.tensor_parallel_size);
    for (int i = 0; i < groups * request.tensor_parallel_size; ++i) {
      if (static_cast<int>(seats.size()) == request.world_size) return seats;
      seats.push_back({offer->worker, offer->free_slots[i]});
    }
  }
  return seats;
}

std::string Shortage(const GangRequest& request,
                     const std::vector<Offer>& offers) {
  const int tp = request.tensor_parallel_size;
  size_t free = 0;
  int groups = 0;
  for (const Offer& offer : offers) {
    free += offer.free_slots.size();
    groups += Groups(offer, tp);
  }
  std::string text = absl::StrCat("waiting for ", request.world_size,
                                  request.world_size == 1 ? " slot" : " slots");
  if (tp > 1) absl::StrAppend(&text, " in groups of ", tp, " on one worker");
  absl::StrAppend(&text, ": ", free, " free on ", offers.size(),
                  offers.size() == 1 ? " worker" : " workers");
  if (tp > 1) absl::StrAppend(&text, ", room for ", groups, " groups");
  if (static_cast<int>(free) >= request.world_size &&
      groups * tp >= request.world_size) {
    absl::StrAppend(&text, ", but not of one device");
  }
  return text;
}

}  // namespace

GangDecision DecideGang(const GangRequest& request,
                        const std::vector<Offer>& offers) {
  AUTOTP_CHECK(request.tensor_parallel_size >= 1);
  AUTOTP_CHECK(request.world_size % request.tensor_parallel_size == 0);
  GangDecision decision;
  for (const char* device : {"cuda", "cpu"}) {
    std::vector<Seat> seats =
        TakeSeats(InOrderOfUse(offers, device, request), request);
    if (static_cast<int>(seats.size()) != request.world_size) continue;
    decision.admitted = true;
    decision.seats = std::move(seats);
    decision.reason =
        absl::StrCat("has its ", request.world_size, " slots (", device, ")");
    return decision;
  }
  decision.reason = Shortage(request, offers);
  return decision;
}

}  // namespace autotp::core
