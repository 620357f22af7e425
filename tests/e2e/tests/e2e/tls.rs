//! The page over TLS, as curl and OpenSSL see it from the network.

use crate::not_tested;
use serde_json::json;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output};
use watchbook_e2e::Client;
use watchbook_e2e::case::second_factor;
use watchbook_e2e::process::Process;
use watchbook_e2e::recorder::{SOON, program};

const PASSWORD: &str = "a long enough passphrase";
/// curl: the peer's certificate cannot be authenticated with the authorities that are known.
const UNTRUSTED: i32 = 60;

/// A recorder that listens on all addresses, with its own authority's certificate in `ca.pem`.
struct Station {
    dir: tempfile::TempDir,
    process: Process,
    port: u16,
    address: String,
    code: String,
}

/// The machine's own address on a network; `None` where it has none.
fn address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only says which address it would send from.
    socket.connect("198.51.100.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip().to_string())
}

fn output(of: &Output) -> String {
    [&of.stdout, &of.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

impl Station {
    fn start() -> Option<Self> {
        let Some(address) = address() else {
            not_tested("TLS from the network: this machine has no address but the loopback");
            return None;
        };
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        let config = format!(
            "[web]\nlisten = \"0.0.0.0:0\"\n[storage]\nstate_dir = {:?}\nring_dir = {:?}\nring_gib = 0.5\nsegment_mib = 16\n",
            at("state"),
            at("ring")
        );
        std::fs::write(at("watchbook.toml"), config).expect("the directory takes a file");
        let (process, port) = run(dir.path());
        let code = told(&process, "claim code: ");
        let station = Self { dir, process, port, address, code };
        let der = Client::new(&station.plain()).get("/ca.crt").ok();
        assert_eq!(der.header("content-type"), "application/x-x509-ca-cert");
        std::fs::write(station.dir.path().join("ca.der"), der.body).expect("the directory takes a file");
        station.openssl("x509 -inform der -in ca.der -out ca.pem");
        Some(station)
    }

    /// Where programs on the same machine find it.
    fn plain(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn over_tls(&self) -> String {
        format!("https://{}:{}", self.address, self.port)
    }

    fn openssl(&self, line: &str) -> String {
        let done = Command::new("openssl").current_dir(self.dir.path()).args(line.split(' ')).output();
        let done = done.expect("openssl is installed");
        assert!(done.status.success(), "openssl {line}: {}", output(&done));
        output(&done)
    }

    /// A handshake; what OpenSSL said of it.
    fn handshake(&self, more: &str) -> String {
        let line = format!("s_client -connect {}:{} {more}", self.address, self.port);
        let done = Command::new("openssl").current_dir(self.dir.path()).args(line.split(' ')).output();
        output(&done.expect("openssl is installed"))
    }

    /// curl with these arguments; its exit code, and all that it said.
    fn curl(&self, arguments: &[&str]) -> (i32, String) {
        let mut curl = Command::new("curl");
        curl.current_dir(self.dir.path()).args(["-sS", "-i", "--noproxy", "*", "--max-time", "30"]).args(arguments);
        let done = curl.output().expect("curl is installed");
        (done.status.code().unwrap_or(-1), output(&done))
    }
}

fn run(dir: &Path) -> (Process, u16) {
    let mut command = Command::new(program("watchbook"));
    command.args(["run", "--config"]).arg(dir.join("watchbook.toml"));
    let mut process = Process::start("watchbook", &mut command);
    let page = process.wait_line("page: ", SOON);
    let port = page.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
    (process, port.unwrap_or_else(|| panic!("no port in {page}")))
}

fn told(process: &Process, prefix: &str) -> String {
    let all = process.output();
    let line = all.lines().find_map(|line| line.strip_prefix(prefix).map(str::to_owned));
    line.unwrap_or_else(|| panic!("no {prefix:?} in {all}"))
}

#[test]
fn whoever_has_the_authority_is_served_over_tls_and_nobody_else_in_the_open() {
    let Some(station) = Station::start() else { return };
    // What people compare stands on the console.
    let fingerprint = told(&station.process, "certificate authority of this station, SHA-256: ");
    assert!(station.openssl("x509 -in ca.pem -noout -fingerprint -sha256").contains(&fingerprint));
    let status = format!("{}/api/v1/status", station.over_tls());
    let (code, answer) = station.curl(&["--cacert", "ca.pem", &status]);
    assert!(code == 0 && answer.contains("200 OK") && answer.contains("\"claimed\":false"), "{code} {answer}");
    // Nobody is told to be strict about a certificate that their browser may not know.
    assert!(answer.to_lowercase().contains("strict-transport-security: max-age=0"), "{answer}");
    assert_eq!(station.curl(&[&status]).0, UNTRUSTED);
    station.openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -subj /CN=other",
    );
    assert_eq!(station.curl(&["--cacert", "other.pem", &status]).0, UNTRUSTED);
    // A name that it is not for.
    let elsewhere = format!("https://bank.example:{}/", station.port);
    let resolve = format!("bank.example:{}:{}", station.port, station.address);
    assert_eq!(station.curl(&["--cacert", "ca.pem", "--resolve", &resolve, &elsewhere]).0, UNTRUSTED);
    for (version, expected) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let said =
            station.handshake(&format!("{version} -CAfile ca.pem -verify_ip {} -verify_return_error", station.address));
        assert!(said.contains(expected) && said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    // The station answers an older one with an alert: that of the version (RFC 8446, 6.2), or that of the handshake, as it has no signature algorithms in it (RFC 5246,
    // 7.4.1.4.1) and that may be looked at first.
    let said = station.handshake("-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    let alert = ["SSL alert number 70", "SSL alert number 40"].iter().any(|alert| said.contains(alert));
    assert!(alert && said.contains("no peer certificate available"), "{said}");
}

#[test]
fn plain_http_over_the_network_is_sent_on_and_given_nothing() {
    let Some(station) = Station::start() else { return };
    let plain = format!("http://{}:{}", station.address, station.port);
    let expected = format!("location: {}/live?a=1\r\n", station.over_tls());
    for arguments in [&[][..], &["-X", "POST", "-d", "{}"], &["-H", "Upgrade: websocket", "-H", "Connection: Upgrade"]]
    {
        let page = format!("{plain}/live?a=1");
        let (code, answer) = station.curl(&[arguments, &[&page]].concat());
        assert!(code == 0 && answer.starts_with("HTTP/1.1 308 ") && answer.contains(&expected), "{answer}");
        assert!(!answer.to_lowercase().contains("set-cookie") && !answer.contains("<script"), "{answer}");
    }
    let (_, answer) = station.curl(&[&format!("{plain}/ca.crt")]);
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    // On the machine itself it is served.
    let (_, answer) = station.curl(&[&format!("{}/api/v1/status", station.plain())]);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn a_session_over_tls_has_a_cookie_that_is_worth_nothing_in_the_open_and_the_certificate_outlives_a_start() {
    let Some(mut station) = Station::start() else { return };
    let body = json!({ "code": station.code, "name": "tester", "password": PASSWORD, "one_person_station": true });
    let (body, claim) = (body.to_string(), format!("{}/api/v1/claim", station.over_tls()));
    let headers = ["-H", "X-Watchbook: 1", "-H", "Content-Type: application/json"];
    let (_, answer) = station.curl(&[&headers[..], &["--cacert", "ca.pem", "-d", &body, &claim]].concat());
    let set = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"));
    assert!(set.starts_with("__Host-wb_session=") && set.contains("; Secure"), "{set}");
    let cookie = set.split(';').next().expect("a name and a value").to_owned();
    let asked = |station: &Station, base: String, cookie: &str| {
        station.curl(&["--cacert", "ca.pem", "-H", &format!("Cookie: {cookie}"), &format!("{base}/api/v1/session")]).1
    };
    assert!(asked(&station, station.over_tls(), &cookie).starts_with("HTTP/1.1 200 "));
    assert!(asked(&station, station.plain(), &cookie).starts_with("HTTP/1.1 401 "));
    assert!(asked(&station, station.plain(), &cookie.replace("__Host-", "")).starts_with("HTTP/1.1 401 "));
    let served = |station: &Station| {
        let said = station.handshake("-CAfile ca.pem");
        let from = said.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("no certificate in {said}"));
        said[from..].split("-----END").next().map(str::to_owned)
    };
    let before = served(&station);
    assert_eq!(station.process.terminate(SOON), Some(0));
    (station.process, station.port) = run(station.dir.path());
    assert_eq!(served(&station), before);
    assert!(asked(&station, station.over_tls(), &cookie).starts_with("HTTP/1.1 200 "));
}

/// Every file below `dir`, for a search of all that the recorder wrote.
fn files(dir: &Path, into: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, into),
            path => into.extend(std::fs::read(path)),
        }
    }
}

#[test]
fn an_uploaded_certificate_is_served_at_once_and_its_key_is_found_nowhere() {
    let Some(station) = Station::start() else { return };
    let mut client = Client::new(&station.plain());
    client.claim(&station.code);
    drop(second_factor(&mut client, PASSWORD));
    for name in ["up", "not"] {
        let alt = format!("-addext subjectAltName=DNS:{name}.example,IP:{}", station.address);
        station.openssl(&format!("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem -days 90 -subj /CN={name} {alt}"));
    }
    let read = |name: &str| std::fs::read_to_string(station.dir.path().join(name)).expect("OpenSSL wrote it");
    let path = "/api/v1/tls/certificate";
    let wrong = client.send("PUT", path, &json!({ "chain_pem": read("up.pem"), "key_pem": read("not.key") }));
    assert_eq!(wrong.status, 422);
    assert!(String::from_utf8_lossy(&wrong.body).contains("not the one of the certificate"));
    let answer = client.send("PUT", path, &json!({ "chain_pem": read("up.pem"), "key_pem": read("up.key") })).ok();
    let shown = answer.json()["certificate"]["sha256"].as_str().expect("a fingerprint").to_owned();
    assert!(station.openssl("x509 -in up.pem -noout -fingerprint -sha256").contains(&shown));
    let status = format!("{}/api/v1/status", station.over_tls());
    let (code, served) = station.curl(&["--cacert", "up.pem", &status]);
    assert!(code == 0 && served.to_lowercase().contains("strict-transport-security: max-age=86400"), "{served}");
    assert_eq!(station.curl(&["--cacert", "ca.pem", &status]).0, UNTRUSTED);
    // What is given back, written and said: answers, the log, a backup, everything below the state directory, standard output.
    let backup = client.send("POST", "/api/v1/backup", &json!({ "passphrase": "a sentence that nobody guesses" })).ok();
    let mut all = vec![answer.body, wrong.body, backup.body, station.process.output().into_bytes()];
    all.extend(["/api/v1/tls", "/api/v1/audit?limit=100"].map(|path| client.get(path).ok().body));
    files(&station.dir.path().join("state"), &mut all);
    files(&station.dir.path().join("ring"), &mut all);
    let key = read("up.key");
    let line = key.lines().nth(1).expect("base64 of the key").as_bytes();
    let told = station.openssl("pkey -in up.key -noout -text");
    let digits = told.split("priv:").nth(1).and_then(|rest| rest.split("pub:").next()).expect("OpenSSL tells it");
    let digits: String = digits.chars().filter(char::is_ascii_hexdigit).collect();
    let secret: Vec<u8> = (1..17).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hex")).collect();
    // As a list of numbers in JSON.
    let listed = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    assert!(all.len() > 8, "the state directory has files");
    for bytes in &all {
        let holds = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
        assert!(!holds(line) && !holds(&secret) && !holds(listed.as_bytes()));
    }
    assert_eq!(client.delete(path).status, 204);
    assert_eq!(station.curl(&["--cacert", "ca.pem", &status]).0, 0);
}

#[test]
fn the_tool_of_plugin_authors_signs_in_over_tls_with_the_stations_authority_alone() {
    let Some(station) = Station::start() else { return };
    let claim = json!({ "code": station.code, "name": "Chief", "password": PASSWORD, "one_person_station": true });
    assert_eq!(Client::new(&station.plain()).send("POST", "/api/v1/claim", &claim).status, 201);
    std::fs::write(station.dir.path().join("password"), PASSWORD).expect("the directory takes a file");
    let logs = |from: &str, more: &[&str]| {
        let mut tool = Command::new(program("watchbook-plugin"));
        tool.current_dir(station.dir.path()).args(["logs", "org.example.nothing", "--from", from]).args(more);
        let done = tool.args(["--account", "Chief", "--password-file", "password"]).output();
        output(&done.expect("the tool can be started"))
    };
    // That there is no such plugin is told to somebody who was let in.
    for authority in ["ca.pem", "ca.der"] {
        let said = logs(&station.over_tls(), &["--ca", authority]);
        assert!(said.contains("answers 404"), "{authority}: {said}");
    }
    let said = logs(&station.over_tls(), &[]);
    assert!(said.contains("could not be trusted") && said.contains("--ca FILE"), "{said}");
    let said = logs(&station.over_tls().replacen("https", "http", 1), &[]);
    assert!(said.contains("sent in the open") && said.contains("https://"), "{said}");
}
