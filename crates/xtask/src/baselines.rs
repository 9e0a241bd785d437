//! The programs that Palisade's tunnel is measured beside. Each is fetched once; one that cannot be had
//! is a line in the result, not an error.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cargo;
use crate::packages::{apt, run};
use crate::requirement::{has_program, is_root};

/// Where those live that are no packages.
const FOLDER: &str = "target/baselines";
/// Debian's packages: one program to compare with, and the tools to configure it and the wire.
const PACKAGES: &[&str] = &["wireguard-go", "wireguard-tools", "ethtool"];
/// The branch of Debian that has the newest source of wireguard-go built.
const NEWEST: &str = "sid";

/// Installs what is not there yet, and tells which programs are missing, and why.
pub(crate) fn prepare() -> Vec<(&'static str, String)> {
    let attempts = [
        ("boringtun", by_cargo("boringtun-cli", "boringtun-cli")),
        ("gotatun", by_cargo("gotatun-cli", "gotatun")),
        ("wireguard-go-debian", packages()),
        ("wireguard-go-newest", newest_wireguard_go()),
    ];
    let missing = |(program, outcome): (&'static str, Result<()>)| {
        let error = outcome.err()?;
        Some((program, format!("{error:#}")))
    };
    attempts.into_iter().filter_map(missing).collect()
}

/// What its registry publishes, built here.
fn by_cargo(package: &str, program: &str) -> Result<()> {
    if Path::new(FOLDER).join("bin").join(program).is_file() {
        return Ok(());
    }
    let build = format!("{FOLDER}/build");
    let mut install = cargo::command(&["install", "--quiet", "--locked", "--root", FOLDER]);
    let status = install.args(["--target-dir", &build, package]).status()?;
    ensure!(status.success(), "cargo install {package} failed");
    Ok(())
}

fn packages() -> Result<()> {
    if ["wireguard-go", "wg", "ethtool"]
        .into_iter()
        .all(has_program)
    {
        return Ok(());
    }
    ensure!(is_root(), "packages are installed as root only");
    apt(&["update", "-q"])?;
    apt(&[
        &["install", "-q", "-y", "--no-install-recommends"],
        PACKAGES,
    ]
    .concat())
}

/// Unpacks the package of Debian's development branch: a Go program brings all that it needs. The
/// system's own lists of packages are left as they are.
fn newest_wireguard_go() -> Result<()> {
    let folder = Path::new(FOLDER).join("wireguard-go-newest");
    if folder.join("usr/bin/wireguard-go").is_file() {
        return Ok(());
    }
    let lists = folder.join("lists");
    fs::create_dir_all(lists.join("partial"))?;
    let sources = folder.join("sources.list");
    fs::write(&sources, source_line(&archives()?)?)?;
    let sources = std::path::absolute(sources)?;
    let lists = std::path::absolute(lists)?;
    let options = [
        format!("Dir::Etc::sourcelist={}", sources.display()),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        format!("Dir::State::lists={}", lists.display()),
        "Dir::Cache::pkgcache=".to_owned(),
        "Dir::Cache::srcpkgcache=".to_owned(),
        "Acquire::Languages=none".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apart = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        for option in &options {
            command.args(["-o", option]);
        }
        run(command.args(arguments).current_dir(&folder))
    };
    apart(&["update", "-q"])?;
    apart(&["download", "-q", "wireguard-go"])?;
    let package = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left nothing")?;
    run(Command::new("dpkg-deb")
        .arg("--extract")
        .arg(package)
        .arg(&folder))?;
    fs::remove_dir_all(lists)?;
    Ok(())
}

/// The archives that packages come from here: who signed them, and where they are.
fn archives() -> Result<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(CREATED_BY) $(ORIGIN) $(LABEL) $(REPO_URI)",
        ])
        .output()
        .context("cannot run apt-get")?;
    Ok(String::from_utf8(output.stdout)?)
}

/// The source of packages for the development branch, from where Debian's own come.
fn source_line(archives: &str) -> Result<String> {
    let place = archives
        .lines()
        .find_map(|line| line.strip_prefix("Packages Debian Debian "))
        .context("no packages come from Debian here")?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    Ok(format!("deb [signed-by={keys}] {place} {NEWEST} main\n"))
}

#[cfg(test)]
mod tests {
    use super::source_line;

    #[test]
    fn the_development_branch_comes_from_where_debian_does() {
        let archives = "Packages Debian Debian-Security http://a.example/security/\n\
                        DEP-11 Debian Debian http://b.example/debian/\n\
                        Packages Debian Debian http://c.example/debian/\n";
        assert_eq!(
            source_line(archives).unwrap(),
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://c.example/debian/ sid main\n"
        );
        assert!(source_line("Packages Other Other http://d.example/\n").is_err());
    }
}
