// local_communicator.h -- a world of one rank: every collective is a copy.
#ifndef AUTOTP_WORKER_COLLECTIVE_LOCAL_COMMUNICATOR_H_
#define AUTOTP_WORKER_COLLECTIVE_LOCAL_COMMUNICATOR_H_

#include <memory>

#include "worker/collective/communicator.h"

namespace autotp::collective {

// Works on host memory. On devices a world of one takes this one too as long
// as parts lie in their wholes: then nothing is touched.
std::unique_ptr<Communicator> CreateLocalCommunicator();

}  // namespace autotp::collective

#endif  // AUTOTP_WORKER_COLLECTIVE_LOCAL_COMMUNICATOR_H_
