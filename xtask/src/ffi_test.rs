//! The libraries, called from other languages; what this machine has no compiler for is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::ffi_walk::Served;
use crate::process::{go_is_there, is_there, output, pass, succeed};
use crate::{ffi, ffi_cases};

/// Builds the libraries and runs the negative suite and the examples in each language.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    ffi::check(root)?;
    let ffi = ffi::libraries(root, "debug")?;
    let cases = ffi.join("cases");
    println!("{} cases", ffi_cases::write(root, &cases)?);
    let saved = Saved::find(&cases)?;
    let served = Served::start(root)?;
    let languages: [(&str, Test); 5] =
        [("cc", c), ("python3", python), ("kotlinc", kotlin), ("swiftc", swift), ("go", go)];
    for (compiler, test) in languages {
        // Kotlin's and Go's ask in their own ways, see there.
        if ["kotlinc", "go"].contains(&compiler) || is_there(compiler) {
            test(&Tested { root, ffi: &ffi, cases: &cases, saved: &saved, served: &served })?;
        } else {
            println!("SKIPPED: the library for {compiler}, which is not installed");
        }
    }
    Ok(())
}

type Test = fn(&Tested<'_>) -> anyhow::Result<()>;

/// What a language is tested with.
struct Tested<'a> {
    root: &'a Path,
    ffi: &'a Path,
    cases: &'a Path,
    saved: &'a Saved,
    served: &'a Served,
}

/// Saved evidence that stands alone, as an example is called with it.
struct Saved {
    checkpoint_id: String,
    file: PathBuf,
    now_ms: String,
}

impl Saved {
    fn find(cases: &Path) -> anyhow::Result<Self> {
        let lines = fs::read_to_string(cases.join("cases.tsv"))?;
        let mut cells = lines.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let honest = cells.find(|cells| cells[1..3] == ["file", "verified"]);
        let honest = honest.context("an honest file")?;
        Ok(Self {
            checkpoint_id: honest[6].to_owned(),
            file: cases.join(honest[9]),
            now_ms: honest[4].to_owned(),
        })
    }

    /// Lets an example verify the file, and refuse it from another checkpoint.
    fn verify(&self, example: impl Fn() -> Command) -> anyhow::Result<()> {
        let call = |checkpoint_id: &str| {
            output(example().arg(checkpoint_id).arg(&self.file).arg(&self.now_ms))
        };
        let honest = call(&self.checkpoint_id)?;
        let said = String::from_utf8_lossy(&honest.stdout);
        if !honest.status.success() || !said.contains("\"epoch_counter\":") {
            bail!("the example: {said}{}", String::from_utf8_lossy(&honest.stderr));
        }
        let other = self.checkpoint_id.replace('7', "8");
        let refused = call(&other)?;
        if refused.status.code() != Some(3) || !refused.stdout.is_empty() {
            bail!("the example took {other} for a checkpoint");
        }
        Ok(())
    }
}

fn c(tested: &Tested<'_>) -> anyhow::Result<()> {
    let include = tested.ffi.join("c");
    // Once against each kind of library.
    for (source, library) in [
        ("integration-tests/ffi/smoke.c", "libweir_c.a"),
        ("integration-tests/ffi/walk.c", "libweir_c.a"),
        ("examples/c/main.c", "libweir_c.so"),
    ] {
        let mut cc = Command::new("cc");
        cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]).arg(&include);
        cc.arg(tested.root.join(source)).arg(include.join(library));
        cc.args(["-lpthread", "-ldl", "-lm", "-o"]).arg(tested.ffi.join(stem(source)));
        succeed(&mut cc)?;
    }
    pass(Command::new(tested.ffi.join("smoke")).arg(tested.cases))?;
    pass(tested.served.tell(&mut Command::new(tested.ffi.join("walk"))))?;
    tested.saved.verify(|| {
        let mut example = Command::new(tested.ffi.join("main"));
        example.env("LD_LIBRARY_PATH", &include);
        example
    })
}

fn python(tested: &Tested<'_>) -> anyhow::Result<()> {
    let program = |source: &str| {
        let mut python = Command::new("python3");
        python.arg(tested.root.join("integration-tests/ffi").join(source));
        python.env("PYTHONPATH", tested.ffi.join("python"));
        python
    };
    pass(program("smoke.py").arg(tested.cases))?;
    pass(tested.served.tell(&mut program("walk.py")))
}

/// Tests the package over the C library.
fn go(tested: &Tested<'_>) -> anyhow::Result<()> {
    if !go_is_there("the package for Go") {
        return Ok(());
    }
    let c = tested.ffi.join("c");
    let mut test = Command::new("go");
    test.args(["test", "-count=1", "./..."]).current_dir(tested.root.join("ffi/go"));
    test.env("CGO_ENABLED", "1").env("CGO_CFLAGS", format!("-I{}", c.display()));
    test.env("CGO_LDFLAGS", format!("-L{}", c.display())).env("LD_LIBRARY_PATH", &c);
    pass(tested.served.tell_by_environment(&mut test))
}

/// Compiles the example with the generated source, and lets it verify.
fn kotlin(tested: &Tested<'_>) -> anyhow::Result<()> {
    let Some(version) = kotlin_version().filter(|version| *version >= KOTLIN_MIN) else {
        let (major, minor) = KOTLIN_MIN;
        println!(
            "SKIPPED: the library for kotlinc, which is not installed from {major}.{minor} on"
        );
        return Ok(());
    };
    let Some(jna) = std::env::var_os("WEIR_JNA").map(PathBuf::from).or_else(installed_jna) else {
        println!("SKIPPED: the library for kotlinc, for jna.jar is not installed (or $WEIR_JNA)");
        return Ok(());
    };
    let program = tested.ffi.join("epoch.jar");
    let bound = tested.ffi.join("kotlin");
    let mut kotlinc = Command::new("kotlinc");
    kotlinc.arg("-nowarn").arg("-cp").arg(&jna).arg(tested.root.join("examples/kotlin/Main.kt"));
    kotlinc.arg(bound.join("uniffi/weir/weir.kt")).arg("-include-runtime").arg("-d").arg(&program);
    succeed(&mut kotlinc)?;
    let classes = std::env::join_paths([&program, &jna])?;
    let verified = tested.saved.verify(|| {
        let mut java = Command::new("java");
        java.arg(format!("-Djna.library.path={}", bound.display()));
        java.arg("-cp").arg(&classes).arg("MainKt");
        java
    });
    let (major, minor) = version;
    verified.map(|()| println!("Kotlin {major}.{minor}: the example passed"))
}

/// Major and minor version, which the compiler tells on standard error.
fn kotlin_version() -> Option<(u32, u32)> {
    let output = Command::new("kotlinc").arg("-version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = said.split("kotlinc-jvm ").nth(1)?;
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Where Debian's package puts it.
fn installed_jna() -> Option<PathBuf> {
    Some(PathBuf::from("/usr/share/java/jna.jar")).filter(|path| path.exists())
}

/// Compiles the generated source.
fn swift(tested: &Tested<'_>) -> anyhow::Result<()> {
    let bound = tested.ffi.join("swift");
    let mut swiftc = Command::new("swiftc");
    swiftc.args(["-typecheck", "-Xcc"]);
    swiftc.arg(format!("-fmodule-map-file={}", bound.join("weirFFI.modulemap").display()));
    succeed(swiftc.arg(bound.join("weir.swift")))?;
    println!("Swift: the source passed the type checker");
    Ok(())
}

fn stem(source: &str) -> &str {
    Path::new(source).file_stem().and_then(|stem| stem.to_str()).unwrap_or(source)
}

/// Oldest Kotlin tried; Debian's 1.3 is too old for what uniffi generates.
const KOTLIN_MIN: (u32, u32) = (2, 0);
