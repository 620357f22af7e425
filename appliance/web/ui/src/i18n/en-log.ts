/** English, for the audit log's checkpoints. */
export const logWords = {
  "log.title": "Checkpoint",
  "log.what":
    "The recorder signs the log as long as it grows. Whoever keeps a checkpoint outside this box can prove later that no entry before it was changed, removed or put in. Keep one often, and where nobody of this station can reach it.",
  "log.summary": "{signed} of {entries} entries signed",
  "log.none": "Nothing is signed yet. The first checkpoint comes within some seconds.",
  "log.entries": "Entries signed",
  "log.of": "{signed} of {entries}",
  "log.signed": "Signed",
  "log.root": "Root",
  "log.name": "Log",
  "log.key": "Public key",
  "log.key.hint": "Write it down once, and compare it with each checkpoint: it stays the same.",
  "log.download": "Download the checkpoint",
  "log.show": "Show as QR code",
  "log.hide": "Hide the QR code",
  "log.qr": "The checkpoint as a QR code",
  "log.witness": "For a witness",
  "log.witness.what": "A witness is somebody outside who remembers the last checkpoint and signs the next one only if it continues that. Type how many entries the last one was about; 0 for the first time.",
  "log.witness.old": "Entries that the witness saw last",
  "log.witness.download": "Download the request",
  "log.public": "Checkpoint of the audit log",
  "alarm.log_unsigned": "The audit log does not continue what was signed",
  "alarm.log_unsigned.next":
    "Somebody put back an old copy of it, or changed it. Keep the disks as they are, tell the auditor, and compare with the checkpoints that were kept outside.",
  "alarm.log_copy_missing": "The second copy of the audit log's checkpoint is missing",
  "alarm.log_copy_missing.next": "Look whether the ring's disk is there and has room.",
};
