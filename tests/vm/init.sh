#!/bin/busybox sh
# The first process of the emulated machine: loads what its root needs, and makes this machine's file system, read-only below a
# layer of memory, its own.
/bin/busybox mkdir -p /proc /sys /dev /host /upper /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "/modules/$module"; done < /modules/order
/bin/busybox mount -t virtiofs -o ro host /host || { echo "the host's file system cannot be mounted"; /bin/busybox poweroff -f; }
/bin/busybox mount -t tmpfs -o size=1g upper /upper
/bin/busybox mkdir /upper/upper /upper/work
/bin/busybox mount -t overlay -o lowerdir=/host,upperdir=/upper/upper,workdir=/upper/work overlay /root
for each in proc sys dev; do /bin/busybox mount --move "/$each" "/root/$each"; done
/bin/busybox cp /second.sh /root/second.sh
exec /bin/busybox switch_root /root /bin/sh /second.sh
