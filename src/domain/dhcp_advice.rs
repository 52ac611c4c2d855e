//! What to change in the DHCP servers that people have, so that machines follow us.

/// A setting that leads machines away from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// A boot file or next server of its own.
    BootFile,
    /// Option 60 `PXEClient` in its offers.
    ClaimsPxe,
}

/// One DHCP server product.
struct Product {
    name: &'static str,
    boot_file: &'static str,
    claims_pxe: &'static str,
}

/// The products, by how often they are met on small networks; their own manuals name these settings.
const PRODUCTS: &[Product] = &[
    Product {
        name: "dnsmasq, Pi-hole, OpenWrt",
        boot_file: "remove the lines `dhcp-boot=` and `pxe-service=` (OpenWrt: `uci delete dhcp.@dnsmasq[0].dhcp_boot`)",
        claims_pxe: "remove `dhcp-option=60,PXEClient` and `dhcp-option-force=60,PXEClient`",
    },
    Product {
        name: "ISC dhcpd, OPNsense, pfSense",
        boot_file: "remove `filename` and `next-server` (OPNsense, pfSense: switch *Network booting* off)",
        claims_pxe: "remove `option vendor-class-identifier \"PXEClient\"`",
    },
    Product {
        name: "Kea",
        boot_file: "remove `boot-file-name`, `next-server` and `server-hostname`, also from client classes",
        claims_pxe: "remove the option data `vendor-class-identifier`",
    },
    Product {
        name: "MikroTik",
        boot_file: "`/ip dhcp-server network set [find] boot-file-name=\"\" !next-server`",
        claims_pxe: "`/ip dhcp-server option remove [find code=60]`",
    },
    Product {
        name: "Windows DHCP",
        boot_file: "delete the options 066 and 067 of the server and of the scope",
        claims_pxe: "delete option 060 of the server and of the scope (in WDS, tab *DHCP*: untick both boxes)",
    },
];

/// What to change, one line for each product.
pub fn cures(hindrance: Hindrance) -> impl Iterator<Item = String> {
    PRODUCTS.iter().map(move |product| {
        let cure = match hindrance {
            Hindrance::BootFile => product.boot_file,
            Hindrance::ClaimsPxe => product.claims_pxe,
        };
        format!("{}: {cure}", product.name)
    })
}
