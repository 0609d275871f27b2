//! The variables of the environment that are read beside the flags.
//!
//! Plain data, as the table of flags; it must not know how a variable is looked up.

use super::flag::Need;
use super::needs::{NO_ROUTER, SCYLLA, SEARCH_LOGIN};
use super::table::Group;

/// A variable of the environment that is read beside the flags.
#[derive(Debug)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: &'static str,
    /// The part of the options table that it stands in.
    pub(super) group: Group,
    /// One line for people.
    pub(super) help: &'static str,
    /// What must hold so that it has an effect: all of these.
    pub(super) needs: &'static [Need],
}

/// Every variable, in the order of its group.
pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "METRICS_SERVER_SEARCH_URL",
        group: Group::OpenSearch,
        help: "where opensearch is, such as https://user:password@host:9200/prefix",
        needs: NO_ROUTER,
    },
    Variable {
        name: "METRICS_SERVER_SEARCH_USER",
        group: Group::OpenSearch,
        help: "opensearch user, if the url holds none",
        needs: SEARCH_LOGIN,
    },
    Variable {
        name: "METRICS_SERVER_SEARCH_PASSWORD",
        group: Group::OpenSearch,
        help: "its password",
        needs: SEARCH_LOGIN,
    },
    Variable {
        name: "METRICS_SERVER_SCYLLADB_PASSWORD",
        group: Group::ScyllaDb,
        help: "password of -scylladb-user",
        needs: SCYLLA,
    },
    Variable {
        name: "HOSTNAME",
        group: Group::Pyroscope,
        help: "tag hostname of profiles (empty: the host's name)",
        needs: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::{FLAGS, find};
    use Need::{Any, Https, NoLogin, Not, SocketFile, Without};

    #[test]
    fn what_is_needed_is_a_flag_or_a_variable() {
        let known = |name: &str| {
            find(name).is_some() || VARIABLES.iter().any(|variable| variable.name == name)
        };
        let flags = FLAGS.iter().flat_map(|flag| flag.needs);
        for need in flags.chain(VARIABLES.iter().flat_map(|variable| variable.needs)) {
            match need {
                Any(names) | SocketFile(names) => {
                    assert!(names.iter().all(|name| known(name)), "{need:?}");
                }
                Without(name) | Not(name, _) | Https(name) | NoLogin(name) => {
                    assert!(known(name), "{need:?}");
                }
            }
        }
    }
}
