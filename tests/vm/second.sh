# Within the machine, once its root is there. @NAMES@ are filled in by machine.py.
export PATH=@PATH@ HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 SLIPWAY_IN_VM=1
for each in /tmp /run /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$each"; done
mkdir -p /run/lock /dev/pts /dev/shm /dev/mqueue
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /lib/modules
mount --bind @MODULES@ /lib/modules
ln -sf /proc/self/fd /dev/fd
for each in 0:stdin 1:stdout 2:stderr; do ln -sf "/proc/self/fd/${each%%:*}" "/dev/${each#*:}"; done
hostname vm
ip link set lo up
cd @ROOT@
@COMMAND@ < /dev/null
echo "@MARK@ $?"
sync
echo o > /proc/sysrq-trigger
sleep 60
