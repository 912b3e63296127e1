//! What a machine needs to know of the hub: its configuration, its completions, and how it stands.

use std::path::Path;

use tokio::{net::UnixDatagram, process::Command, time::timeout};

use crate::{
    commands::{prints, tavolo},
    harness::{PATIENCE, World},
};

#[tokio::test]
async fn the_committed_reference_is_the_one_the_command_prints() {
    let committed = include_str!("../../docs/configuration.md");
    assert!(
        committed == prints(&["reference"]).await,
        "docs/configuration.md is stale; renew it with: cargo run -q -- reference > docs/configuration.md"
    );
    assert!(committed.contains("| `--listen` | `TAVOLO_LISTEN` | `127.0.0.1:8080` | Where to listen |"), "{committed}");
    assert!(committed.contains("| `--mongodb-uri` | `TAVOLO_MONGODB_URI` | required | "), "{committed}");
    assert!(committed.contains("## `tavolo member add`"), "{committed}");
}

#[tokio::test]
async fn completions_are_what_the_shell_takes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tavolo.bash");
    std::fs::write(&file, prints(&["completions", "bash"]).await).unwrap();
    let script = r#"source "$1" && COMP_WORDS=(tavolo do) COMP_CWORD=1 && _tavolo tavolo do && echo "${COMPREPLY[@]}""#;
    let output = Command::new("bash").args(["-c", script, "bash"]).arg(&file).output().await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "doctor\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(prints(&["completions", "zsh"]).await.starts_with("#compdef tavolo\n"));
    assert!(prints(&["completions", "fish"]).await.contains("complete -c tavolo"));
}

#[test]
fn the_catalogue_is_told_the_version_and_the_licence() {
    let described = include_str!("../../publiccode.yml");
    assert!(described.contains(concat!("\nsoftwareVersion: \"", env!("CARGO_PKG_VERSION"), "\"\n")), "{described}");
    assert!(described.contains("\n  license: EUPL-1.2\n"), "{described}");
}

/// What a service manager hears.
struct Manager {
    socket: UnixDatagram,
}

impl Manager {
    fn at(path: &Path) -> Self {
        Self { socket: UnixDatagram::bind(path).unwrap() }
    }

    /// The next thing it is told that is no sign of life.
    async fn hears(&self) -> String {
        loop {
            let told = self.told().await;
            if told != "WATCHDOG=1\n" {
                return told;
            }
        }
    }

    async fn told(&self) -> String {
        let mut bytes = [0; 256];
        let length = timeout(PATIENCE, self.socket.recv(&mut bytes)).await.expect("a message in time").unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }
}

#[tokio::test]
async fn a_service_manager_hears_that_the_hub_is_ready_and_alive_and_stopping() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = Manager::at(&path);
    let database = ["--mongodb-uri", &world.settings.uri, "--database", &world.settings.database];
    let arguments = [&["serve", "--listen", "127.0.0.1:0"], &database[..]].concat();
    let mut hub = tavolo(&arguments).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000").spawn().unwrap();
    assert_eq!(manager.told().await, "READY=1\n");
    for _ in 0..3 {
        assert_eq!(manager.told().await, "WATCHDOG=1\n");
    }
    let pid = hub.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert_eq!(manager.hears().await, "STOPPING=1\n");
    assert!(hub.wait().await.unwrap().success());
}
