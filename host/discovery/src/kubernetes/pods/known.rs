//! [`KnownPods`]: which peers are present and gone, from what was seen of the pods.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::Event;

use super::super::super::{PeerSet, Place};
use super::state::{address, has_ended, leaves, place};

/// How many addresses are remembered as gone. More than that have had the time that their silence takes.
const REMEMBERED: usize = 1000;

/// The pods that were seen and have not ended, and the addresses of those that were.
#[derive(Debug)]
pub(crate) struct KnownPods {
    port: u16,
    /// By uid, since a name may be given again.
    present: BTreeMap<String, Peer>,
    /// What a list that has not ended yet has shown so far.
    listed: Option<BTreeMap<String, Peer>>,
    /// The latest last.
    gone: VecDeque<String>,
}

/// What a pod is to other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Peer {
    address: String,
    place: Option<Place>,
}

impl KnownPods {
    /// None yet; nodes in them are reached at `port`.
    pub(crate) fn new(port: u16) -> Self {
        Self {
            port,
            present: BTreeMap::new(),
            listed: None,
            gone: VecDeque::new(),
        }
    }

    /// Takes in what the watch has seen. Says whether the peers may have changed.
    pub(crate) fn see(&mut self, event: &Event<Pod>) -> bool {
        match event {
            Event::Init => {
                self.listed = Some(BTreeMap::new());
                return false;
            }
            Event::InitApply(pod) => {
                if let (Some((uid, peer)), Some(listed)) = (self.peer(pod), &mut self.listed) {
                    listed.insert(uid, peer);
                }
                return false;
            }
            Event::InitDone => {
                // What is missing in it was deleted while nobody watched.
                let listed = self.listed.take().unwrap_or_default();
                let before = std::mem::replace(&mut self.present, listed);
                for (uid, Peer { address, .. }) in before {
                    let now = self.present.get(&uid).map(|peer| &peer.address);
                    if now != Some(&address) {
                        self.remember(address);
                    }
                }
            }
            Event::Apply(pod) => match self.peer(pod) {
                Some((uid, peer)) => {
                    let address = peer.address.clone();
                    let before = self.present.insert(uid, peer).map(|peer| peer.address);
                    // A pod gets another address when its machine was restarted.
                    if let Some(before) = before.filter(|before| *before != address) {
                        self.remember(before);
                    }
                }
                None => self.lose(pod, true),
            },
            // A pod whose labels were taken off looks like one that was deleted, and still runs: whoever does that wants to look
            // at it. Its silence will tell, then.
            Event::Delete(pod) => self.lose(pod, leaves(pod)),
        }
        true
    }

    /// The peers, as they are now.
    pub(crate) fn peers(&self) -> PeerSet {
        let peers = || self.present.values();
        let present: BTreeSet<String> = peers().map(|peer| peer.address.clone()).collect();
        // Of two pods that had the same address after each other, the later one counts, in whichever order they were seen.
        let gone = self.gone.iter().filter(|gone| !present.contains(*gone));
        let gone = gone.cloned().collect();
        let places = peers().filter_map(|peer| Some((peer.address.clone(), peer.place.clone()?)));
        PeerSet {
            present,
            gone,
            places: places.collect(),
        }
    }

    fn peer(&self, pod: &Pod) -> Option<(String, Peer)> {
        if has_ended(pod) {
            return None;
        }
        let peer = Peer {
            address: address(pod, self.port)?,
            place: place(pod),
        };
        Some((pod.metadata.uid.clone()?, peer))
    }

    fn lose(&mut self, pod: &Pod, for_good: bool) {
        let uid = pod.metadata.uid.as_ref();
        if let Some(peer) = uid.and_then(|uid| self.present.remove(uid))
            && for_good
        {
            self.remember(peer.address);
        }
    }

    fn remember(&mut self, address: String) {
        self.gone.retain(|other| *other != address);
        self.gone.push_back(address);
        if self.gone.len() > REMEMBERED {
            self.gone.pop_front();
        }
    }
}
