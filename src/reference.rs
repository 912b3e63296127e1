//! `tavolo reference`: every flag with its variable, default and meaning, taken from the command line itself.
//!
//! `docs/configuration.md` is this text; a test compares them.

use std::fmt::Write;

use clap::{Arg, Command};

const HEAD: &str = "# Configuration

Where a flag has a variable, either will do, and the flag wins over the variable. This page is what
`tavolo reference` prints.
";

/// The command that all others belong to. It alone shows the flags that it shares with them.
const TOP: &str = "tavolo";

/// The reference of a command line in Markdown.
pub(crate) fn markdown(mut command: Command) -> String {
    command.build();
    let mut text = HEAD.to_owned();
    describe(&mut text, &command, TOP);
    text
}

/// One section for the command, then those of its subcommands.
fn describe(text: &mut String, command: &Command, path: &str) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let own = |argument: &&Arg| !is_builtin(argument) && (path == TOP || !argument.is_global_set());
    let arguments: Vec<&Arg> = command.get_arguments().filter(own).collect();
    write_all(text, format_args!("\n## `{path}`\n\n{about}.\n"));
    if !arguments.is_empty() {
        text.push_str("\n| Flag | Variable | Default | Meaning |\n|---|---|---|---|\n");
    }
    for argument in arguments {
        text.push_str(&row(argument));
    }
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        describe(text, subcommand, &format!("{path} {}", subcommand.get_name()));
    }
}

fn is_builtin(argument: &Arg) -> bool {
    matches!(argument.get_id().as_str(), "help" | "version")
}

fn row(argument: &Arg) -> String {
    let code = |text: &str| format!("`{text}`");
    let flag = match argument.get_long() {
        Some(long) => code(&format!("--{long}")),
        None => code(&format!("<{}>", argument.get_id())),
    };
    let variable = argument.get_env().map(|name| code(&name.to_string_lossy())).unwrap_or_default();
    let takes_value = argument.get_action().takes_values();
    let default = match argument.get_default_values() {
        [default, ..] if takes_value => code(&default.to_string_lossy()),
        _ if argument.is_required_set() => "required".into(),
        _ => String::new(),
    };
    let mut meaning = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let possible = argument.get_possible_values();
    if takes_value && !possible.is_empty() {
        let names: Vec<String> = possible.iter().map(|value| code(value.get_name())).collect();
        write_all(&mut meaning, format_args!(" One of {}.", names.join(", ")));
    }
    format!("| {flag} | {variable} | {default} | {} |\n", meaning.replace('|', "\\|"))
}

/// Writing to a string cannot fail.
fn write_all(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}
