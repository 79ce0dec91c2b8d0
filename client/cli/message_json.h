// message_json.h -- protobuf messages as the JSON that people and scripts
// read: snake_case names, numbers as numbers, enums as lower-case words
// without their prefix, times as RFC 3339, durations in seconds.
#ifndef AUTOTP_CLIENT_CLI_MESSAGE_JSON_H_
#define AUTOTP_CLIENT_CLI_MESSAGE_JSON_H_

#include <string>

#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"

namespace autotp::cli {

// Keys keep the order of the fields. Every field is there, set or not, but
// for messages that are not set.
nlohmann::ordered_json ToJson(const google::protobuf::Message& message);

// "running" of JOB_STATE_RUNNING: the name of an enum's value without what
// it shares with the enum's zero value, KIND_UNSPECIFIED.
std::string EnumWord(const google::protobuf::EnumDescriptor* type, int number);

// Prints one JSON document to standard output.
void PrintJson(const nlohmann::ordered_json& document);

}  // namespace autotp::cli

#endif  // AUTOTP_CLIENT_CLI_MESSAGE_JSON_H_
