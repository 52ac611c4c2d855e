//! The script that the installed system runs at its first boot: it lets us in for the join and phones home until it is heard.

use super::OwnCertificate;

/// What goes into the script.
pub struct FirstBootScript<'a> {
    /// Our certificate, which `curl` must find behind the URL.
    pub certificate: &'a OwnCertificate,
    /// Where to phone home, with its token.
    pub phone_home_url: &'a str,
    /// Where to report that the script failed, with its token.
    pub failed_url: &'a str,
    /// The ephemeral public key, one OpenSSH line.
    pub public_key: &'a str,
}

/// How often the script calls, and how long it waits between calls, before it leaves it to the next boot: a day.
const CALLS: u32 = 8640;
/// Seconds between two calls.
const PAUSE_SECONDS: u32 = 10;
/// How many bytes of its log the script sends when it fails: below the largest body of that call.
const LONGEST_LOG: u32 = 16_000;
/// The longest list of disks that is sent, in bytes: well below the largest body of the call and the longest argument of a command.
const LONGEST_DISKS: u32 = 32_000;

impl FirstBootScript<'_> {
    /// Writes the script. It uses nothing but what every Proxmox VE node has: sh, coreutils, iproute2, curl.
    ///
    /// The key goes into `authorized_keys2` because the join replaces `authorized_keys` by the cluster's own file and every new login
    /// with the first key fails from then on (seen on a real cluster: 32 of 32, against 0 of 30). Failing makes systemd run the script
    /// again at the next boot (pve-installer `proxmox-first-boot`).
    pub fn render(&self) -> String {
        let (scheme_host, path) = split_url(self.phone_home_url);
        let (host, port) = scheme_host.rsplit_once(':').unwrap_or((scheme_host, "443"));
        let (_, failed_path) = split_url(self.failed_url);
        let (name, pem, key) = (&self.certificate.name, self.certificate.pem.trim(), self.public_key);
        format!(
            r#"#!/bin/sh
# Rackseed's first-boot script: lets the provisioning server in for the join, and phones home until it is heard.
set -u
umask 077

certificate=$(mktemp) && log=$(mktemp) || exit 1
cat > "$certificate" <<'CERTIFICATE'
{pem}
CERTIFICATE

# Whatever goes wrong below is told, with its last words: nobody has to wait for somebody's patience to end.
exec 3>&2 2>> "$log"
tell_failure() {{
    status=$?
    cat "$log" >&3
    [ "$status" -eq 0 ] || tail -c {LONGEST_LOG} "$log" | curl --silent --max-time 20 --output /dev/null \
        --cacert "$certificate" --connect-to '{name}:{port}:{host}:{port}' \
        --header 'Content-Type: text/plain' --data-binary @- 'https://{name}:{port}{failed_path}'
    rm -f "$certificate" "$log"
}}
trap tell_failure EXIT
fail() {{ echo "first boot: $*" >&2; exit 1; }}

mkdir -p /root/.ssh || fail 'cannot make /root/.ssh'
grep -qxF '{key}' /root/.ssh/authorized_keys2 2>/dev/null || printf '%s\n' '{key}' >> /root/.ssh/authorized_keys2 ||
    fail 'cannot write /root/.ssh/authorized_keys2; is the root file system read-only?'
chmod 600 /root/.ssh/authorized_keys2 || fail 'cannot set the mode of /root/.ssh/authorized_keys2'
command -v curl > /dev/null && command -v ip > /dev/null || fail 'curl or ip is missing'

# What the installer does not tell: the memory, and the true sizes of the disks.
memory=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo 2>/dev/null)
disks=$(lsblk -J -b -d -o NAME,SIZE,MODEL,SERIAL,WWN,TYPE 2>/dev/null | tr -d '\n')
[ "${{#disks}}" -le {LONGEST_DISKS} ] || disks=
hardware=",\"memory_bytes\":$(( ${{memory:-0}} * 1024 )),\"disks\":${{disks:-null}}"

calls=0
while [ "$calls" -lt {CALLS} ]; do
    calls=$((calls + 1))
    address=$(ip -4 route get {host} 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p' | head -n 1)
    hardware_id=$(cat /sys/class/dmi/id/product_uuid 2>/dev/null || cat /etc/machine-id 2>/dev/null || echo unknown)
    if [ -n "$address" ] && curl --silent --show-error --fail --max-time 20 --output /dev/null \
        --cacert "$certificate" --connect-to '{name}:{port}:{host}:{port}' \
        --header 'Content-Type: application/json' \
        --data "{{\"address\":\"$address\",\"hardware_id\":\"$hardware_id\",\"hostname\":\"$(uname -n)\"$hardware}}" \
        'https://{name}:{port}{path}'; then
        exit 0
    elif [ $? -eq 22 ]; then
        # Refused. A device may have a name that breaks the report, and the call matters more than what it tells.
        hardware=
    fi
    sleep {PAUSE_SECONDS}
done
fail 'the provisioning server was not reached, or refused every call; this runs again at the next boot'
"#
        )
    }
}

/// Splits `https://HOST:PORT/PATH` into `HOST:PORT` and `/PATH`.
fn split_url(url: &str) -> (&str, &str) {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    rest.find('/').map_or((rest, "/"), |place| rest.split_at(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_valid_shell_and_names_key_certificate_and_url() {
        let certificate = OwnCertificate {
            pem: "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n".into(),
            name: "rackseed.internal".into(),
            fingerprint: String::new(),
        };
        let script = FirstBootScript {
            certificate: &certificate,
            phone_home_url: "https://10.0.0.2:8443/api/hosts/a/phone-home?t=T",
            failed_url: "https://10.0.0.2:8443/api/hosts/a/failed?t=T",
            public_key: "ssh-ed25519 AAAA x",
        }
        .render();
        let mut shell = std::process::Command::new("sh").arg("-n").stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(shell.stdin.as_mut().unwrap(), script.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
        for part in [
            "--connect-to 'rackseed.internal:8443:10.0.0.2:8443'",
            "'https://rackseed.internal:8443/api/hosts/a/phone-home?t=T'",
            "'https://rackseed.internal:8443/api/hosts/a/failed?t=T'",
            "ssh-ed25519 AAAA x",
            "ip -4 route get 10.0.0.2",
        ] {
            assert!(script.contains(part), "{part} is missing in\n{script}");
        }
    }
}
