//! A good answer, and for every rule of the installer a change that breaks it.

/// A whole file that the installer accepts; each case changes one thing.
pub(super) const GOOD: &str = r#"
[global]
country = "at"
fqdn = "pve.home.arpa"
keyboard = "de"
mailto = "root@home.arpa"
timezone = "Europe/Vienna"
root-password = "12345678"
[network]
source = "from-dhcp"
[disk-setup]
filesystem = "zfs"
disk-list = ["/dev/sda", "/dev/sdb"]
zfs.raid = "raid1"
"#;

/// One rule: its sentence, what is changed in the good file, and what the complaint must name.
pub(super) struct Case {
    pub(super) rule: &'static str,
    pub(super) from: &'static str,
    pub(super) to: &'static str,
    pub(super) complaint: &'static str,
}

pub(super) const fn case(rule: &'static str, from: &'static str, to: &'static str, complaint: &'static str) -> Case {
    Case { rule, from, to, complaint }
}

pub(super) const COUNTRY: &str = "country = \"at\"";
pub(super) const FQDN: &str = "fqdn = \"pve.home.arpa\"";
pub(super) const MAIL: &str = "mailto = \"root@home.arpa\"";
pub(super) const ZONE: &str = "timezone = \"Europe/Vienna\"";
pub(super) const PASSWORD: &str = "root-password = \"12345678\"";

pub(super) const GLOBAL: &[Case] = &[
    case("country is required", COUNTRY, "", "country"),
    case("country is a lower-case code", COUNTRY, "country = \"AT\"", "global.country"),
    case("country is one of the known ones", COUNTRY, "country = \"uk\"", "global.country"),
    case("fqdn is required", FQDN, "", "fqdn"),
    case("fqdn has at least two labels", FQDN, "fqdn = \"pve\"", "global.fqdn"),
    case("the first label of fqdn is not all digits", FQDN, "fqdn = \"123.home.arpa\"", "global.fqdn"),
    case("fqdn has no underscore", FQDN, "fqdn = \"pve_1.home.arpa\"", "global.fqdn"),
    case("fqdn has no trailing dot", FQDN, "fqdn = \"pve.home.arpa.\"", "global.fqdn"),
    case("no label of fqdn begins with a dash", FQDN, "fqdn = \"-pve.home.arpa\"", "global.fqdn"),
    case("no label of fqdn ends with a dash", FQDN, "fqdn = \"pve-.home.arpa\"", "global.fqdn"),
    case(
        "a label of fqdn has at most 63 characters",
        FQDN,
        "fqdn = \"a23456789012345678901234567890123456789012345678901234567890abcd.home.arpa\"",
        "global.fqdn",
    ),
    case("fqdn as a table is from-dhcp", FQDN, "fqdn = { source = \"from-dns\" }", "global.fqdn.source"),
    case(
        "fqdn as a table has source and domain alone",
        FQDN,
        "fqdn = { source = \"from-dhcp\", name = \"x\" }",
        "fqdn",
    ),
    case("keyboard is one of the layouts", "keyboard = \"de\"", "keyboard = \"xx\"", "global.keyboard"),
    case("mailto is a mail address", MAIL, "mailto = \"root\"", "global.mailto"),
    case("mailto has no spaces", MAIL, "mailto = \"the root@home.arpa\"", "global.mailto"),
    case("mailto is not the placeholder", MAIL, "mailto = \"mail@example.invalid\"", "global.mailto"),
    case("timezone is a zone and no link", ZONE, "timezone = \"Etc/UTC\"", "global.timezone"),
    case("timezone is spelled as in the database", ZONE, "timezone = \"Europe/Viena\"", "global.timezone"),
    case("a password has eight bytes", PASSWORD, "root-password = \"1234567\"", "global.root-password"),
    case(
        "of the two passwords there is one",
        PASSWORD,
        "root-password = \"12345678\"\nroot-password-hashed = \"$6$a$b\"",
        "exactly one of",
    ),
    case("a password is required", PASSWORD, "", "exactly one of"),
    case(
        "a hashed password is a crypt(3) text (the installer does not look, and nobody could log in)",
        PASSWORD,
        "root-password-hashed = \"12345678\"",
        "global.root-password-hashed",
    ),
    case(
        "reboot-mode is reboot or power-off",
        PASSWORD,
        "root-password = \"12345678\"\nreboot-mode = \"kexec\"",
        "global.reboot-mode",
    ),
    case(
        "reboot-on-error is a truth",
        PASSWORD,
        "root-password = \"12345678\"\nreboot-on-error = \"yes\"",
        "invalid type",
    ),
    case(
        "a key for root is one line",
        PASSWORD,
        "root-password = \"12345678\"\nroot-ssh-keys = [\"ssh-ed25519\"]",
        "global.root-ssh-keys",
    ),
    case(
        "a subscription key looks like one (the first boot drops others without a word)",
        PASSWORD,
        "root-password = \"12345678\"\nsubscription-key = \"pve-0123456789\"",
        "global.subscription-key",
    ),
    case("no key is unknown", PASSWORD, "root-password = \"12345678\"\nsurprise = 1", "surprise"),
];

pub(super) const SOURCE: &str = "source = \"from-dhcp\"";
/// A static network; `{}` is what a case adds or changes.
pub(super) const STATIC: &str = "source = \"from-answer\"\ncidr = \"10.0.0.2/24\"\ndns = \"10.0.0.1\"\ngateway = \"10.0.0.1\"\nfilter.ID_NET_NAME_MAC = \"*b42e99acadb4\"";
pub(super) const PINNING: &str = "source = \"from-dhcp\"\ninterface-name-pinning.enabled = true\ninterface-name-pinning.mapping.\"52:54:00:12:34:56\" = \"lan0\"";

/// Cases on the network of `STATIC`: what is changed in it.
pub(super) const NETWORK: &[Case] = &[
    case("cidr is required", "cidr = \"10.0.0.2/24\"", "", "needs cidr, dns and gateway"),
    case("dns is required", "dns = \"10.0.0.1\"", "", "needs cidr, dns and gateway"),
    case("gateway is required", "gateway = \"10.0.0.1\"", "", "needs cidr, dns and gateway"),
    case(
        "filter is required (9.2 dies later without)",
        "filter.ID_NET_NAME_MAC = \"*b42e99acadb4\"",
        "",
        "network.filter",
    ),
    case("cidr has a possible mask", "10.0.0.2/24", "10.0.0.2/33", "network.cidr"),
    case("cidr has a mask (else the node has /32)", "10.0.0.2/24", "10.0.0.2", "network.cidr"),
    case("cidr is not the network's own address", "10.0.0.2/24", "10.0.0.0/24", "network.cidr"),
    case("cidr is not everybody's address", "10.0.0.2/24", "10.0.0.255/24", "network.cidr"),
    case("the gateway is in the network", "gateway = \"10.0.0.1\"", "gateway = \"10.1.0.1\"", "network.gateway"),
    case("the gateway is not the node itself", "gateway = \"10.0.0.1\"", "gateway = \"10.0.0.2\"", "network.gateway"),
    case("gateway and address are of one family", "gateway = \"10.0.0.1\"", "gateway = \"fd00::1\"", "network.gateway"),
    case("dns is one address", "dns = \"10.0.0.1\"", "dns = \"10.0.0.1, 10.0.0.3\"", "network.dns"),
    case("of several filter keys any suffices", "filter.ID", "filter.INTERFACE = \"eno1\"\nfilter.ID", "several keys"),
    case("a filter names a card", "\"*b42e99acadb4\"", "\"*\"", "matches every card"),
    case("case counts in a filter", "\"*b42e99acadb4\"", "\"*B42E99ACADB4\"", "upper-case"),
    case("a filter's pattern can be read", "\"*b42e99acadb4\"", "\"*b42e99[\"", "no pattern"),
    case("source is from-dhcp or from-answer", "from-answer", "from-mars", "network.source"),
    case("with from-dhcp there is no address", "from-answer", "from-dhcp", "may have no cidr"),
    case("no key is unknown", "dns =", "dhcp = 1\ndns =", "dhcp"),
];

/// Cases on the pinning of `PINNING`.
pub(super) const NAMES: &[Case] = &[
    case("enabled is required", "interface-name-pinning.enabled = true\n", "", "enabled"),
    case("enabled = false pins all the same in 9.2", "enabled = true", "enabled = false", "pins all the same"),
    case("a name has at most 15 characters", "\"lan0\"", "\"a234567890123456\"", "2 to 15"),
    case("a name has at least 2 characters", "\"lan0\"", "\"l\"", "2 to 15"),
    case("a name begins with a letter", "\"lan0\"", "\"0lan\"", "2 to 15"),
    case("a name has no dash", "\"lan0\"", "\"lan-0\"", "2 to 15"),
    case("a name is not one that the installer gives itself", "\"lan0\"", "\"nic0\"", "as the installer itself"),
    case("a card is named by its MAC address", "52:54:00:12:34:56", "eno1", "not a MAC address"),
    case(
        "no two cards have one name",
        "\"lan0\"",
        "\"lan0\"\ninterface-name-pinning.mapping.\"52:54:00:12:34:57\" = \"lan0\"",
        "a name twice",
    ),
];

pub(super) const DISKS: &str = "disk-list = [\"/dev/sda\", \"/dev/sdb\"]";
pub(super) const RAID: &str = "zfs.raid = \"raid1\"";
pub(super) const ZFS_OF_TWO: &str =
    "filesystem = \"zfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nzfs.raid = \"raid1\"";

pub(super) const DISK_SETUP: &[Case] = &[
    case("filesystem is required", "filesystem = \"zfs\"", "", "filesystem"),
    case("filesystem is one of four", "filesystem = \"zfs\"", "filesystem = \"ntfs\"", "disk-setup.filesystem"),
    case("disks are named", DISKS, "", "exactly one of disk-list and filter"),
    case("an empty list names none", DISKS, "disk-list = []", "exactly one of disk-list and filter"),
    case(
        "of list and filter there is one",
        RAID,
        "zfs.raid = \"raid1\"\nfilter.ID_SERIAL = \"a\"",
        "exactly one of disk-list and filter",
    ),
    case("no disk is there twice", DISKS, "disk-list = [\"/dev/sda\", \"/dev/sda\"]", "a disk twice"),
    case(
        "a disk has its full name, as the end of a path suffices",
        DISKS,
        "disk-list = [\"sda\", \"sdb\"]",
        "full names",
    ),
    case("links to disks do not work", DISKS, "disk-list = [\"disk/by-id/a\", \"disk/by-id/b\"]", "full names"),
    case("a filter names a disk", DISKS, "filter.ID_SERIAL = \"*\"", "matches every disk"),
    case("a filter names a disk, not any text", DISKS, "filter.ID_SERIAL = \"?*\"", "matches every disk"),
    case("a filter's pattern can be read", DISKS, "filter.ID_SERIAL = \"a[\"", "no pattern"),
    case(
        "with all, a key that no disk has excludes nothing",
        DISKS,
        "filter.ID_SERIAL = \"a*\"\nfilter-match = \"all\"",
        "selects every disk",
    ),
    case(
        "of several filter keys any suffices",
        DISKS,
        "filter.ID_SERIAL = \"a*\"\nfilter.ID_WWN = \"b\"",
        "several keys",
    ),
    case(
        "filter-match is any or all",
        RAID,
        "zfs.raid = \"raid1\"\nfilter-match = \"some\"",
        "disk-setup.filter-match",
    ),
    case("zfs has a level", RAID, "", "needs raid"),
    case("a level is all upper or all lower case", RAID, "zfs.raid = \"Raid1\"", "disk-setup.zfs.raid"),
    case("a level is known", RAID, "zfs.raid = \"raid5\"", "disk-setup.zfs.raid"),
    case("raid1 needs two disks", DISKS, "disk-list = [\"/dev/sda\"]", "at least 2 disks"),
    case("raid10 needs four disks", RAID, "zfs.raid = \"raid10\"", "at least 4 disks"),
    case("raidz-1 needs three disks", RAID, "zfs.raid = \"raidz-1\"", "at least 3 disks"),
    case("raidz-2 needs four disks", RAID, "zfs.raid = \"RAIDZ-2\"", "at least 4 disks"),
    case("raidz-3 needs five disks", RAID, "zfs.raid = \"raidz-3\"", "at least 5 disks"),
    case(
        "raid10 needs an even number",
        ZFS_OF_TWO,
        "filesystem = \"zfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\", \"/dev/sdc\", \"/dev/sdd\", \"/dev/sde\"]\nzfs.raid = \"raid10\"",
        "even number",
    ),
    case("ashift is in ZFS's range", RAID, "zfs = { raid = \"raid1\", ashift = 99 }", "disk-setup.zfs.ashift"),
    case("copies are in ZFS's range", RAID, "zfs = { raid = \"raid1\", copies = 4 }", "disk-setup.zfs.copies"),
    case(
        "arc-max is not less than ZFS takes",
        RAID,
        "zfs = { raid = \"raid1\", arc-max = 1 }",
        "disk-setup.zfs.arc-max",
    ),
    case("hdsize is a size", RAID, "zfs = { raid = \"raid1\", hdsize = -1.0 }", "disk-setup.zfs.hdsize"),
    case("checksum is known", RAID, "zfs = { raid = \"raid1\", checksum = \"md5\" }", "disk-setup.zfs.checksum"),
    case("compress is known", RAID, "zfs = { raid = \"raid1\", compress = \"lzo\" }", "disk-setup.zfs.compress"),
    case("lvm belongs to ext4 and xfs", RAID, "zfs.raid = \"raid1\"\nlvm.swapsize = 1.0", "belongs to ext4"),
    case("zfs belongs to zfs", "filesystem = \"zfs\"", "filesystem = \"ext4\"", "belongs to zfs"),
    case("btrfs belongs to btrfs", RAID, "zfs.raid = \"raid1\"\nbtrfs.raid = \"raid1\"", "belongs to btrfs"),
    case(
        "ext4 lies on one disk",
        ZFS_OF_TWO,
        "filesystem = \"ext4\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]",
        "one disk",
    ),
    case(
        "btrfs has no ashift",
        ZFS_OF_TWO,
        "filesystem = \"btrfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nbtrfs = { raid = \"raid1\", ashift = 12 }",
        "ashift",
    ),
    case(
        "btrfs has no raidz",
        ZFS_OF_TWO,
        "filesystem = \"btrfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nbtrfs.raid = \"raidz-1\"",
        "disk-setup.btrfs.raid",
    ),
    case(
        "btrfs of raid1 needs two disks",
        ZFS_OF_TWO,
        "filesystem = \"btrfs\"\ndisk-list = [\"/dev/sda\"]\nbtrfs.raid = \"raid1\"",
        "at least 2 disks",
    ),
    case(
        "btrfs compresses in its own ways",
        ZFS_OF_TWO,
        "filesystem = \"btrfs\"\ndisk-list = [\"/dev/sda\", \"/dev/sdb\"]\nbtrfs = { raid = \"raid1\", compress = \"lz4\" }",
        "disk-setup.btrfs.compress",
    ),
    case(
        "swap is at most half of hdsize",
        ZFS_OF_TWO,
        "filesystem = \"xfs\"\ndisk-list = [\"/dev/sda\"]\nlvm = { hdsize = 32.0, swapsize = 16.5 }",
        "disk-setup.lvm.swapsize",
    ),
    case(
        "sizes of lvm are sizes",
        ZFS_OF_TWO,
        "filesystem = \"ext4\"\ndisk-list = [\"/dev/sda\"]\nlvm.maxroot = 0",
        "disk-setup.lvm.maxroot",
    ),
    case("no key is unknown", RAID, "zfs = { raid = \"raid1\", dedup = true }", "dedup"),
];
