//! Two clusters never live, whatever happens to those who would form one.

use std::time::Duration;

use crate::api_server::Mishaps;
use crate::races::{Course, Report, run_seeds};

fn hold(reports: &[Report]) {
    for report in reports {
        if let Some(violation) = &report.violation {
            panic!(
                "{violation}\n{}\nagain with SPINDRIFT_RACE_SEED={}",
                report.log.join("\n"),
                report.seed
            );
        }
    }
}

#[test]
fn of_ten_pods_that_start_at_once_one_forms_the_cluster() {
    let reports = run_seeds(Course {
        pods: 10,
        mishaps: Mishaps {
            failing: 0.2,
            slow: Duration::from_millis(400),
            very_slow: 0.1,
        },
        stands_still: 0.1,
        strikes: 0,
        recoveries: false,
    });
    hold(&reports);
    for report in reports {
        assert_eq!((report.formed, report.one), (1, true), "{report:#?}");
    }
}

#[test]
fn two_clusters_never_live_while_pods_come_and_go() {
    let reports = run_seeds(Course {
        pods: 4,
        mishaps: Mishaps {
            failing: 0.2,
            slow: Duration::from_millis(400),
            very_slow: 0.1,
        },
        stands_still: 0.1,
        strikes: 8,
        recoveries: false,
    });
    hold(&reports);
    // Total losses among them, after which another cluster was formed.
    let again = reports.iter().filter(|report| report.formed > 1).count();
    assert!(again * 4 > reports.len(), "{again} of {}", reports.len());
}

/// People recover what has lost its majority, some of them twice. The Lease is never taken from a cluster that lives, those that
/// are left begin anew, and without another hand on the Lease all ends with one cluster, which it records.
#[test]
fn the_lease_of_a_cluster_that_lives_is_never_taken_while_others_are_recovered() {
    let reports = run_seeds(Course {
        pods: 4,
        mishaps: Mishaps {
            failing: 0.2,
            slow: Duration::from_millis(400),
            very_slow: 0.1,
        },
        stands_still: 0.1,
        strikes: 8,
        recoveries: true,
    });
    hold(&reports);
    assert!(reports.iter().all(|report| report.one));
    let recovered = reports.iter().filter(|report| report.recovered > 0).count();
    assert!(
        recovered * 4 > reports.len(),
        "{recovered} of {}",
        reports.len()
    );
}
