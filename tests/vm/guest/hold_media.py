"""Holds the lock of a media device until it is killed, so that whoever takes leave of the device has to wait.

MEDIA_IOC_G_TOPOLOGY (linux/media.h) copies to its caller with that lock held. The page that it copies to is one for which userfaultfd(2) lets the copy wait. Says HOLDS when it does.
"""

import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading

MEDIA_IOC_G_TOPOLOGY = 0xC0487C04
UFFDIO_API = 0xC018AA3F
UFFDIO_REGISTER = 0xC020AA00
SYS_USERFAULTFD = 323  # x86_64
PAGE = 4096

libc = ctypes.CDLL(None, use_errno=True)
device = os.open(sys.argv[1], os.O_RDWR)
page = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
faults = libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC)
assert faults >= 0, os.strerror(ctypes.get_errno())
fcntl.ioctl(faults, UFFDIO_API, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))
fcntl.ioctl(faults, UFFDIO_REGISTER, bytearray(struct.pack("QQQQ", address, PAGE, 1, 0)))
topology = ctypes.create_string_buffer(struct.pack("<QIIQ", 0, 32, 0, address).ljust(72, b"\0"), 72)
threading.Thread(target=lambda: libc.ioctl(device, ctypes.c_ulong(MEDIA_IOC_G_TOPOLOGY), topology), daemon=True).start()
os.read(faults, 32)
print("HOLDS", sys.argv[2], flush=True)
threading.Event().wait()
