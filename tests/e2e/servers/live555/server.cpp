// A camera by live555's server: plays the elementary stream files of a folder, each viewer from the beginning to the end of the file. Says `READY rtsp://127.0.0.1:PORT/` on standard output and ends when its
// standard input does. Usage: live555-camera [--port N] [--user NAME --password TEXT] DIR     mounts: each *.264 and *.265 of DIR by its file name
#include <BasicUsageEnvironment.hh>
#include <GroupsockHelper.hh>
#include <liveMedia.hh>

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <unistd.h>

static void onInput(void*, int) {
  char buffer[256];
  if (read(0, buffer, sizeof buffer) <= 0) _exit(0);
}

int main(int argc, char** argv) {
  std::string dir, user, password;
  int port = 0;
  for (int i = 1; i < argc; ++i) {
    std::string word = argv[i];
    if (word == "--port" && i + 1 < argc) port = atoi(argv[++i]);
    else if (word == "--user" && i + 1 < argc) user = argv[++i];
    else if (word == "--password" && i + 1 < argc) password = argv[++i];
    else dir = word;
  }
  TaskScheduler* scheduler = BasicTaskScheduler::createNew();
  UsageEnvironment* env = BasicUsageEnvironment::createNew(*scheduler);
  ReceivingInterfaceAddr = SendingInterfaceAddr = inet_addr("127.0.0.1");
  OutPacketBuffer::maxSize = 2000000;  // the largest key frame, with room
  UserAuthenticationDatabase* users = nullptr;
  if (!user.empty()) {
    users = new UserAuthenticationDatabase;
    users->addUserRecord(user.c_str(), password.c_str());
  }
  RTSPServer* server = RTSPServer::createNew(*env, Port(port), users);
  if (server == nullptr) {
    fprintf(stderr, "live555-camera: %s\n", env->getResultMsg());
    return 1;
  }
  for (auto const& entry : std::filesystem::directory_iterator(dir)) {
    std::string path = entry.path(), name = entry.path().filename(), kind = entry.path().extension();
    if (kind != ".264" && kind != ".265") continue;
    ServerMediaSession* session = ServerMediaSession::createNew(*env, name.c_str(), name.c_str(), "a camera");
    // False: every viewer gets a stream of its own, from the file's beginning.
    if (kind == ".265") session->addSubsession(H265VideoFileServerMediaSubsession::createNew(*env, strdup(path.c_str()), False));
    else session->addSubsession(H264VideoFileServerMediaSubsession::createNew(*env, strdup(path.c_str()), False));
    server->addServerMediaSession(session);
  }
  scheduler->setBackgroundHandling(0, SOCKET_READABLE, onInput, nullptr);
  std::string prefix = server->rtspURLPrefix();
  printf("READY rtsp://127.0.0.1%s\n", prefix.substr(prefix.find_last_of(':')).c_str());
  fflush(stdout);
  scheduler->doEventLoop();
  return 0;
}
